"""What tests of faults measured is told at the end, also where all of them passed."""

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A line for each figure that a test gave to `record_property`."""
    reports = terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
    figures = [
        f"{report.nodeid.rpartition('::')[2]}: {name}: {value}"
        for report in reports
        for name, value in report.user_properties
        if report.when == "call"
    ]
    if figures:
        terminalreporter.section("figures")
        for figure in figures:
            terminalreporter.line(figure)
