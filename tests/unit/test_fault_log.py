"""A fault that lasts is said when it begins and when it is over."""

import logging

import pytest
from opsboard.application.fault_log import FaultLog

LOG = logging.getLogger("opsboard.test")


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_a_fault_is_said_once_and_so_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    fault_log = FaultLog(LOG, "there is room again")
    for _ in range(3):
        fault_log.met("no room")
    fault_log.over()
    fault_log.over()
    assert said(caplog) == ["no room", "there is room again"]


def test_another_fault_is_said_too_and_the_same_one_after_its_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fault_log = FaultLog(LOG, "over")
    for fault in ("no room", "no handles", "no handles"):
        fault_log.met(fault)
    fault_log.over()
    fault_log.met("no handles")
    fault_log.forget()
    fault_log.met("no handles")
    expected = ["no room", "no handles", "over", "no handles", "no handles"]
    assert said(caplog) == expected
