"""Log records become events, without waiting, and without going round in circles."""

import logging
import logging.config
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import opsboard
import pytest
from opsboard.application.own_threads import mark_own_thread
from opsboard.domain.event import MAX_META_BYTES, OperationalEvent

from ..fakes import START_NS


class Heard:
    """A sink that makes each event at once."""

    def __init__(self) -> None:
        self.events: list[OperationalEvent] = []

    def say_later(self, make: Callable[[], Mapping[str, Any]]) -> None:
        self.events.append(OperationalEvent.say(ts=START_NS, **make()))

    def messages(self) -> list[str]:
        return [event.message for event in self.events]


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def log(heard: Heard) -> Iterator[logging.Logger]:
    logger = logging.getLogger("shop.cart")
    handler = opsboard.EventHandler(service="shop", to=heard)
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield logger
    logger.removeHandler(handler)


def test_warnings_and_above_become_events(log: logging.Logger, heard: Heard) -> None:
    log.info("not heard")
    log.warning("stock of %s is %d", "tea", 3)
    log.error("b")
    log.critical("c")
    log.log(logging.ERROR + 5, "between")
    assert [(event.level, event.message) for event in heard.events] == [
        ("WARN", "stock of tea is 3"),
        ("ERROR", "b"),
        ("FATAL", "c"),
        ("ERROR", "between"),
    ]
    event = heard.events[0]
    assert (event.type, event.service) == ("LOG", "shop")
    assert event.meta["logger"] == "shop.cart"
    assert event.meta["code.function.name"] == "test_warnings_and_above_become_events"
    assert event.meta["code.file.path"].endswith("test_log_handler.py")
    assert event.meta["code.line.number"] > 0
    assert event.meta["time"].endswith("Z")


def test_a_lower_level_may_be_asked_for(heard: Heard) -> None:
    handler = opsboard.EventHandler(service="shop", to=heard, level="DEBUG")
    for level in (logging.DEBUG, logging.INFO):
        handler.handle(logging.LogRecord("a", level, "f.py", 1, "x", None, None))
    assert [event.level for event in heard.events] == ["DEBUG", "INFO"]


def test_extra_becomes_meta(log: logging.Logger, heard: Heard) -> None:
    class Order:
        def __str__(self) -> str:
            return "order 7"

    log.warning("odd", extra={"order": Order(), "items": [1, {"a": 2}], "ratio": float("nan")})
    meta = heard.events[0].meta
    assert (meta["order"], meta["items"], meta["ratio"]) == ("order 7", [1, {"a": 2}], "nan")


def test_an_exception_becomes_its_attributes(log: logging.Logger, heard: Heard) -> None:
    try:
        raise ValueError("no tea")
    except ValueError:
        log.exception("the order failed", extra={"order": 7})
    (event,) = heard.events
    assert (event.level, event.type, event.message) == ("ERROR", "EXCEPTION", "the order failed")
    assert event.meta["exception.type"] == "ValueError"
    assert event.meta["exception.message"] == "no tea"
    assert 'raise ValueError("no tea")' in event.meta["exception.stacktrace"]
    assert event.meta["order"] == 7


def test_exc_info_outside_of_an_exception_is_none(log: logging.Logger, heard: Heard) -> None:
    log.error("nothing raised", exc_info=True)  # noqa: LOG014
    assert heard.events[0].type == "LOG"


def test_what_is_too_long_is_cut(log: logging.Logger, heard: Heard) -> None:
    log.warning("x" * 5_000, extra={"more": "y" * 2 * MAX_META_BYTES})
    log.warning("")
    (event, empty) = heard.events
    assert len(event.message) == 1_000
    assert event.meta["body"].startswith("xxx")
    assert empty.message == "(empty)"


def test_its_own_log_is_not_heard(heard: Heard) -> None:
    root = logging.getLogger()
    handler = opsboard.EventHandler(service="shop", to=heard)
    root.addHandler(handler)
    try:
        logging.getLogger("opsboard.adapters.shipper").error("the server is gone")
        logging.getLogger("aiosqlite").error("closed")
        logging.getLogger("opsboards").error("another one's")

        def work() -> None:
            mark_own_thread()
            logging.getLogger("within").error("of its own")

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    finally:
        root.removeHandler(handler)
    assert heard.messages() == ["another one's"]


def test_a_value_that_logs_while_it_is_written_goes_round_once(
    log: logging.Logger, heard: Heard
) -> None:
    class Chatty:
        def __str__(self) -> str:
            log.warning("asked for my name")
            return "chatty"

    log.warning("hello", extra={"who": Chatty()})
    log.warning("and on")
    assert heard.messages() == ["hello", "and on"]


def test_a_record_that_can_not_be_written_is_told_as_logging_does(
    log: logging.Logger, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[logging.LogRecord] = []
    monkeypatch.setattr(log.handlers[0], "handleError", told.append)
    monkeypatch.setattr(log, "propagate", False)
    log.warning("%d items", "no number")
    log.warning("and on")
    assert len(told) == 1
    assert heard.messages() == ["and on"]


def test_it_is_found_by_name_in_a_configuration() -> None:
    """As `dictConfig` and Django's `LOGGING` have it."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {
                "ops": {"class": "opsboard.EventHandler", "service": "shop", "to": "http://ops"}
            },
            "loggers": {"configured": {"handlers": ["ops"]}},
        }
    )
    (handler,) = logging.getLogger("configured").handlers
    assert isinstance(handler, opsboard.EventHandler)
    assert handler.level == logging.WARNING
    logging.getLogger("configured").removeHandler(handler)


async def test_a_board_is_a_sink_from_any_thread() -> None:
    async with opsboard.open("memory:") as board:
        handler = opsboard.EventHandler(service="shop", to=board)
        record = logging.LogRecord("a", logging.ERROR, "f.py", 1, "from a thread", None, None)
        thread = threading.Thread(target=handler.handle, args=(record,))
        thread.start()
        thread.join()
        await board._background_events.finish()
        (found,) = (await board.event_queries.search()).events
    assert found.event.message == "from a thread"
