from setuptools import find_packages, setup

setup(packages=["opsboard", *(f"opsboard.{name}" for name in find_packages("src"))])
