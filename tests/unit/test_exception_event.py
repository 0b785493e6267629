import subprocess
import sys

from opsboard.domain.event import OperationalEvent
from opsboard.domain.exception_event import EventFields, exception_event

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def said(fields: EventFields) -> OperationalEvent:
    return OperationalEvent.say(ts=0, **fields)


def test_it_is_an_error_under_opentelemetrys_names() -> None:
    event = said(
        exception_event(
            "ValueError",
            "no such size",
            "Traceback ...",
            service="shop",
            route="/cart/{id}",
            method="POST",
            trace_id=TRACE,
            span_id="00f067aa0ba902b7",
            attributes={"exception.escaped": True, "trace_id": "another"},
        )
    )
    assert (event.level, event.type, event.service) == ("ERROR", "EXCEPTION", "shop")
    assert event.message == "ValueError: no such size"
    assert event.meta == {
        "type": "EXCEPTION",
        "exception.type": "ValueError",
        "exception.message": "no such size",
        "exception.stacktrace": "Traceback ...",
        "http.route": "/cart/{id}",
        "http.request.method": "POST",
        "trace_id": TRACE,
        "span_id": "00f067aa0ba902b7",
        "exception.escaped": True,
    }


def test_what_is_not_known_is_left_out() -> None:
    event = said(exception_event("", ""))
    assert event.message == "(unnamed)"
    assert event.meta == {"type": "EXCEPTION", "exception.type": "(unnamed)"}
    assert event.service == "api"


def test_whatever_is_too_long_is_cut_and_both_ends_of_the_stack_stay() -> None:
    trace = "\n".join(f"  File {n}" for n in range(10_000))
    event = said(
        exception_event("T" * 900, "m" * 5_000 + "\0", trace, service="s" * 100, trace_id=TRACE)
    )
    assert len(event.message) == 1_000
    assert len(event.service) == 80
    kept = event.meta["exception.stacktrace"].split("\n")
    assert (kept[0], kept[-1]) == ("  File 0", "  File 9999")
    assert event.meta["exception.message"].startswith("mmm")
    assert event.meta["trace_id"] == TRACE


def test_importing_it_does_not_load_numpy() -> None:
    found = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, opsboard.domain.exception_event; print('numpy' in sys.modules)",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout == "False\n"
