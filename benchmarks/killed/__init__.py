"""SIGKILL at random moments: what was acknowledged, against what is there afterwards.

opsboard and its peers in one harness, each with its defaults, where they are installed.
"""
