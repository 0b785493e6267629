"""The thread that ships, over real sockets, and what it leaves to a forked process."""

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import opsboard
import pytest
from opsboard.adapters.shipper import shipper as shipper_module
from opsboard.adapters.shipper.address import Address
from opsboard.adapters.shipper.http_carrier import HttpCarrier
from opsboard.adapters.shipper.shipper import Shipper
from opsboard.application.caught import AT_ONCE
from opsboard.domain.event import MAX_SERVICE_LENGTH
from opsboard.domain.series_key import SeriesKey

from .. import patience
from ..fakes import START_NS
from .forked import forked
from .server import environment
from .stand_in import TOKEN, Reply, StandIn

GET = SeriesKey("shop", "/cart/{id}", "GET", 200)


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    made = StandIn()
    with made.up():
        yield made


Ship = Callable[..., Shipper]


@pytest.fixture
def ship(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ship]:
    monkeypatch.setattr(shipper_module, "TRY_SECONDS", patience.SECONDS)
    made: list[Shipper] = []

    def start(url: str, token: str | None = TOKEN, max_samples: int = 1_000) -> Shipper:
        address = Address.parse(url)
        shipper = Shipper(
            lambda: HttpCarrier(address, token, "opsboard/test"),
            every_seconds=0.01,
            max_samples=max_samples,
            random=lambda: 0.0,
        )
        made.append(shipper)
        return shipper

    yield start
    for shipper in made:
        shipper.close(0.2)
        shipper.after_fork()  # what a test left waits no longer


def observe(shipper: Shipper, *latencies: int) -> None:
    number = shipper.series(GET)
    for latency in latencies:
        shipper.observe(number, latency * 1_000_000, START_NS)


def latencies(stand_in: StandIn) -> list[float]:
    return [row["latency_ms"] for row in stand_in.rows]


def say(shipper: Shipper, message: str = "hi") -> None:
    said = {"level": "WARN", "type": "OPS", "service": "shop", "message": message}
    shipper.say_later(lambda: {**said, "meta": {"n": 1}})


def test_samples_and_events_arrive_with_token_and_key(stand_in: StandIn, ship: Ship) -> None:
    shipper = ship(f"{stand_in.url}/behind/")
    observe(shipper, 1, 2)
    say(shipper)
    shipper.close(patience.SECONDS)
    assert latencies(stand_in) == [1, 2]
    assert stand_in.events == [
        {"level": "WARN", "type": "OPS", "service": "shop", "message": "hi", "meta": {"n": 1}}
    ]
    assert [path for path, _ in stand_in.requests] == ["/behind/samples", "/behind/events"]
    for _, headers in stand_in.requests:
        assert headers["x-ops-token"] == TOKEN
        assert headers["user-agent"] == "opsboard/test"
        assert len(headers["idempotency-key"]) == 32


def test_what_a_handler_raised_arrives_as_an_event(stand_in: StandIn, ship: Ship) -> None:
    shipper = ship(stand_in.url)
    for number in range(AT_ONCE + 3):
        try:
            raise RuntimeError(f"a bug {number}")
        except RuntimeError as error:
            shipper.caught(error, service="shop", route="/cart/{id}", method="GET")
    shipper.close(patience.SECONDS)
    assert [event["type"] for event in stand_in.events] == [*["EXCEPTION"] * AT_ONCE, "OPS"]
    assert stand_in.events[-1]["meta"]["dropped_events"] == 3
    first = stand_in.events[0]
    assert first["message"] == "RuntimeError: a bug 0"
    assert first["meta"]["http.route"] == "/cart/{id}"
    assert 'raise RuntimeError(f"a bug {number}")' in first["meta"]["exception.stacktrace"]


def test_it_goes_on_after_a_close(stand_in: StandIn, ship: Ship) -> None:
    shipper = ship(stand_in.url)
    for number in range(3):
        observe(shipper, number)
        shipper.close(patience.SECONDS)
        assert latencies(stand_in) == list(range(number + 1))
        assert shipper.unsent == 0


def test_what_an_outage_delays_arrives_once(ship: Ship) -> None:
    stand_in = StandIn()
    with stand_in.up():
        pass
    shipper = ship(stand_in.url)
    observe(shipper, 1)
    say(shipper)
    patience.eventually(lambda: shipper._delivery._in_hand is not None)
    observe(shipper, 2, 3)
    with stand_in.up():
        stand_in.wait(samples=3, events=1)
    observe(shipper, 4)
    with stand_in.up():
        stand_in.wait(samples=4)
    assert latencies(stand_in) == [1, 2, 3, 4]
    assert len(stand_in.events) == 1


def test_an_answer_that_never_came_is_asked_for_again_under_the_same_key(
    stand_in: StandIn, ship: Ship
) -> None:
    stand_in.replies += [Reply(cut=True), Reply(cut=True)]
    shipper = ship(stand_in.url)
    observe(shipper, 1)
    stand_in.wait(requests=3)
    observe(shipper, 2)
    shipper.close(patience.SECONDS)
    assert latencies(stand_in) == [1, 2]
    keys = [headers["idempotency-key"] for _, headers in stand_in.requests]
    assert keys[0] == keys[1] == keys[2]


def test_a_connection_that_the_server_closed_meanwhile_is_opened_again(ship: Ship) -> None:
    stand_in = StandIn()
    with stand_in.up():
        shipper = ship(stand_in.url)
        observe(shipper, 1)
        stand_in.wait(samples=1)
    with stand_in.up():
        observe(shipper, 2)
        shipper.close(patience.SECONDS)
    assert latencies(stand_in) == [1, 2]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_server_that_can_not_now_is_asked_again(
    stand_in: StandIn, ship: Ship, status: int
) -> None:
    stand_in.replies.append(Reply(status))
    shipper = ship(stand_in.url)
    observe(shipper, 1)
    shipper.close(patience.SECONDS)
    assert latencies(stand_in) == [1]


@pytest.mark.parametrize("status", [301, 401, 403, 404])
def test_a_wrong_token_or_address_loses_nothing_and_is_said_once(
    stand_in: StandIn, ship: Ship, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    stand_in.replies += [Reply(status, detail="Writing needs the token")] * 2
    shipper = ship(stand_in.url)
    observe(shipper, 1)
    shipper.close(patience.SECONDS)
    assert latencies(stand_in) == [1]
    assert caplog.text.count(f"{stand_in.url}/samples answered {status}: Writing needs") == 1


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_what_is_refused_for_good_is_dropped_and_told(
    stand_in: StandIn,
    ship: Ship,
    status: int,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stand_in.replies.append(Reply(status, detail="/0/route is odd"))
    shipper = ship(stand_in.url)
    with monkeypatch.context() as held:
        held.setattr(shipper, "_start", lambda: None)  # they are to be of one batch
        observe(shipper, 1, 2)
    shipper._start()
    stand_in.wait(events=1)
    observe(shipper, 3)
    shipper.close(patience.SECONDS)
    assert latencies(stand_in) == [3]
    (told,) = stand_in.events
    assert told["meta"]["dropped_samples"] == 2
    assert f"{status}: /0/route is odd" in told["meta"]["reason"]
    assert caplog.text.count("/0/route is odd") == 1


def _date(seconds: int) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize("value", ["100", _date(1_000)], ids=["seconds", "date"])
def test_a_server_that_asks_for_time_gets_it(stand_in: StandIn, ship: Ship, value: str) -> None:
    address = Address.parse(stand_in.url)
    carrier = HttpCarrier(address, TOKEN, "opsboard/test")
    stand_in.replies.append(Reply(503, (("Retry-After", value),)))
    pauses: list[float] = []
    shipper = Shipper(lambda: carrier, every_seconds=0.01)

    def wait(seconds: float) -> bool:
        pauses.append(seconds)
        return True

    shipper._ending.wait = wait  # type: ignore[assignment, method-assign]
    observe(shipper, 1)
    stand_in.wait(samples=1)
    assert len(pauses) == 1
    assert pauses[0] >= 100
    shipper.close(patience.SECONDS)


def test_the_end_comes_in_time_and_says_what_is_left(
    ship: Ship, caplog: pytest.LogCaptureFixture
) -> None:
    stand_in = StandIn()
    with stand_in.up():
        pass
    shipper = ship(stand_in.url)
    observe(shipper, 1, 2)
    say(shipper)
    shipper.close(0.3)
    assert "3 samples and events could not be delivered before the end" in caplog.text


def test_a_full_buffer_is_told_of_when_the_server_is_back(ship: Ship) -> None:
    stand_in = StandIn()
    with stand_in.up():
        pass
    shipper = ship(stand_in.url, max_samples=5)
    observe(shipper, 0)
    patience.eventually(lambda: shipper._delivery._in_hand is not None)
    observe(shipper, *range(1, 9))
    with stand_in.up():
        stand_in.wait(samples=6, events=1)
    assert latencies(stand_in) == [0, 1, 2, 3, 4, 5]
    assert stand_in.events[0]["meta"]["dropped_samples"] == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_process_ships_its_own_and_nothing_of_its_parents(
    stand_in: StandIn, ship: Ship
) -> None:
    stand_in.replies.append(Reply(503, (("Retry-After", "1"),)))
    shipper = ship(stand_in.url)
    observe(shipper, 1)
    stand_in.wait(requests=1)
    observe(shipper, 2)
    say(shipper, "of the parent")

    def work() -> None:
        assert shipper.unsent == 0
        observe(shipper, 10)
        shipper.close(patience.SECONDS)

    assert forked(work) == 0
    shipper.close(patience.SECONDS)
    assert sorted(latencies(stand_in)) == [1, 2, 10]
    assert [event["message"] for event in stand_in.events] == ["of the parent"]


def python(source: str, **settings: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-c", source],
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=patience.SECONDS,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


HEAVY = [
    *("aiosqlite", "asyncio", "http.client", "httpx", "json", "litestar", "msgspec", "numpy"),
    *("ssl", "uvicorn"),
]
SHIPS = """
import opsboard, sys
async def app(scope, receive, send): pass
app = opsboard.LatencyMiddleware(app, service="shop", to="http://127.0.0.1:9", token="t")
"""


def test_an_app_that_only_ships_does_not_load_the_server() -> None:
    said = python(f"{SHIPS}\nprint([name for name in {HEAVY} if name in sys.modules])")
    assert said.strip() == "[]"


def test_what_waits_is_shipped_when_the_interpreter_ends(stand_in: StandIn) -> None:
    source = f"""
import opsboard
from opsboard.domain.series_key import SeriesKey
from opsboard.entrypoints.sinks import sink_for
sink = sink_for("{stand_in.url}", None)
sink.observe(sink.series(SeriesKey("shop", "/", "GET", 200)), 5_000_000, {START_NS})
"""
    python(source, OPS_API_TOKEN="from-the-environment")
    assert latencies(stand_in) == [5]
    assert stand_in.requests[0][1]["x-ops-token"] == "from-the-environment"


async def _never(*_: object) -> None:
    raise AssertionError


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"to": "http://user:secret@ops"}, "to: "),
        ({"to": "ops:8000"}, "to: "),
        ({"to": "memory:"}, "to: "),
        ({"to": "http://ops", "token": "with space"}, "token: "),
        ({"to": "http://ops", "token": ""}, "token: "),
        ({"to": "http://ops", "service": ""}, "service: "),
        ({"to": "http://ops", "service": "x" * (MAX_SERVICE_LENGTH + 1)}, "service: "),
    ],
)
def test_what_can_not_work_is_said_at_once(given: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=f"^{said}"):
        opsboard.LatencyMiddleware(_never, **{"service": "shop", **given})  # type: ignore[arg-type]


def test_its_own_log_names_no_token(caplog: pytest.LogCaptureFixture, ship: Ship) -> None:
    stand_in = StandIn()
    with stand_in.up():
        stand_in.replies.append(Reply(401, detail="no"))
        with caplog.at_level(logging.DEBUG):
            shipper = ship(stand_in.url)
            observe(shipper, 1)
            shipper.close(patience.SECONDS)
    assert caplog.records
    assert TOKEN not in caplog.text
