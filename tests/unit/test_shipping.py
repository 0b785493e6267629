"""What an app's own process does with samples and events on their way to a board."""

import json
import logging
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from opsboard.adapters.shipper import pauses as pauses_
from opsboard.adapters.shipper.address import Address
from opsboard.adapters.shipper.carrier import (
    Delivered,
    Event,
    Later,
    Outcome,
    Parcel,
    Refused,
    Samples,
)
from opsboard.adapters.shipper.delivery import Delivery
from opsboard.adapters.shipper.events import WaitingEvents
from opsboard.adapters.shipper.ndjson import SampleLines
from opsboard.adapters.shipper.pauses import Pauses
from opsboard.adapters.shipper.samples import (
    MAX_BATCH,
    MAX_ROUTE_LENGTH,
    MAX_SERIES,
    WaitingSamples,
)
from opsboard.domain import keyed_samples
from opsboard.domain.packed_sample import PACKED_SAMPLE
from opsboard.domain.series_key import MAX_LATENCY_NS, SeriesKey

from ..fakes import START_NS, CountingIds

GET = SeriesKey("shop", "/cart/{id}", "GET", 200)


class Scripted:
    """A carrier that answers as it is told, and delivers what it is told nothing about."""

    def __init__(self, *outcomes: Outcome) -> None:
        self.outcomes = list(outcomes)
        self.tried: list[Parcel] = []
        self.delivered: list[Parcel] = []

    def carry(self, parcel: Parcel, timeout: float) -> Outcome:
        self.tried.append(parcel)
        outcome = self.outcomes.pop(0) if self.outcomes else Delivered()
        if isinstance(outcome, Delivered):
            self.delivered.append(parcel)
        return outcome

    def close(self, timeout: float) -> None:
        return

    def latencies(self) -> list[int]:
        packed = [parcel.packed for parcel in self.delivered if isinstance(parcel, Samples)]
        return [latency for batch in packed for _, latency, _ in PACKED_SAMPLE.iter_unpack(batch)]

    def events(self) -> list[Any]:
        return [parcel.fields for parcel in self.delivered if isinstance(parcel, Event)]


class Shipping:
    """Everything but the thread."""

    def __init__(self, *outcomes: Outcome, max_samples: int = 100, max_events: int = 10) -> None:
        self.woken = 0
        self.samples = WaitingSamples(self._wake, max_samples)
        self.events = WaitingEvents(max_events)
        self.carrier = Scripted(*outcomes)
        ids = CountingIds()
        self.delivery = Delivery(
            self.samples, self.events, lambda: self.carrier, Pauses(lambda: 0.0), ids.new
        )

    def _wake(self) -> None:
        self.woken += 1

    def observe(self, *latencies: int, key: SeriesKey = GET) -> None:
        number = self.samples.series(key)
        for latency in latencies:
            self.samples.observe(number, latency, START_NS)

    def say(self, message: str) -> None:
        self.events.put(lambda: {"message": message, "meta": {}})

    def ship(self) -> list[float]:
        """All that is due; the pauses between tries."""
        self.delivery.begin()
        waited = []
        while (pause := self.delivery.step(1.0)) is not None:
            if pause:
                waited.append(pause)
        return waited


def test_what_waits_is_delivered_once_and_in_order() -> None:
    shipping = Shipping()
    shipping.observe(1, 2, 3)
    shipping.say("a")
    shipping.say("b")
    assert shipping.ship() == []
    shipping.observe(4)
    shipping.ship()
    assert shipping.carrier.latencies() == [1, 2, 3, 4]
    assert [event["message"] for event in shipping.carrier.events()] == ["a", "b"]
    assert shipping.delivery.unsent == 0
    keys = [parcel.key for parcel in shipping.carrier.tried]
    assert len(set(keys)) == len(keys)


def test_a_parcel_keeps_its_key_for_every_try() -> None:
    shipping = Shipping(Later("down"), Later("down"))
    shipping.observe(1)
    assert len(shipping.ship()) == 2
    shipping.observe(2)
    shipping.ship()
    first, *again, other = shipping.carrier.tried
    assert again == [first, first]
    assert other.key != first.key
    assert shipping.carrier.latencies() == [1, 2]


def test_what_comes_during_an_outage_waits_behind_what_was_tried() -> None:
    shipping = Shipping(Later("down"))
    shipping.observe(1)
    shipping.delivery.begin()
    assert shipping.delivery.step(1.0)
    shipping.observe(2, 3)
    shipping.say("meanwhile")
    assert shipping.delivery.unsent == 4
    shipping.ship()
    assert shipping.carrier.latencies() == [1, 2, 3]
    assert [event["message"] for event in shipping.carrier.events()] == ["meanwhile"]


def test_no_more_waits_than_has_room_and_what_had_none_is_told() -> None:
    shipping = Shipping(Later("down"), max_samples=5, max_events=2)
    shipping.observe(*range(1, 9))
    for message in "abc":
        shipping.say(message)
    assert shipping.delivery.unsent == 7
    shipping.ship()
    assert shipping.carrier.latencies() == [1, 2, 3, 4, 5]
    *said, told = shipping.carrier.events()
    assert [event["message"] for event in said] == ["a", "b"]
    assert told == {
        "level": "WARN",
        "type": "OPS",
        "service": "shop",
        "message": "3 request samples and 1 events were dropped",
        "meta": {
            "dropped_samples": 3,
            "dropped_events": 1,
            "reason": "too many at once",
        },
    }
    shipping.ship()
    assert len(shipping.carrier.events()) == 3


def test_an_event_that_can_not_be_made_is_told_and_stops_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shipping = Shipping()

    def broken() -> Any:
        raise RuntimeError("a bug")

    shipping.events.put(broken)
    shipping.say("after it")
    shipping.ship()
    said, told = shipping.carrier.events()
    assert said["message"] == "after it"
    assert told["meta"]["dropped_events"] == 1
    assert "a bug" in caplog.text


def test_there_is_room_again_after_an_outage() -> None:
    shipping = Shipping(max_samples=5)
    for _ in range(3):
        shipping.observe(*range(7))
        shipping.ship()
    assert len(shipping.carrier.latencies()) == 15
    told = [event["meta"] for event in shipping.carrier.events()]
    assert [meta["dropped_samples"] for meta in told] == [2, 2, 2]


def test_what_is_refused_is_dropped_told_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    shipping = Shipping(Refused("400: bad rows"), Refused("400: bad rows"))
    shipping.observe(1, 2)
    shipping.say("a")
    shipping.say("b")
    shipping.ship()
    assert shipping.carrier.latencies() == []
    said, told = shipping.carrier.events()
    assert said["message"] == "b"
    assert told["meta"] == {
        "dropped_samples": 2,
        "dropped_events": 1,
        "reason": "400: bad rows",
    }
    assert caplog.text.count("400: bad rows") == 1


def test_a_refused_word_of_what_was_lost_is_not_told_of() -> None:
    shipping = Shipping(Refused("no"), Refused("no"))
    shipping.observe(1)
    shipping.ship()
    shipping.ship()
    assert len(shipping.carrier.tried) == 2


def test_an_outage_is_logged_once_and_its_end_too(caplog: pytest.LogCaptureFixture) -> None:
    shipping = Shipping(*[Later("down")] * 5)
    shipping.observe(1)
    shipping.ship()
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert "down" in caplog.records[0].message
    assert "again" in caplog.records[1].message


def test_full_batches_are_due_at_any_time_and_others_once_a_round() -> None:
    shipping = Shipping(max_samples=3 * MAX_BATCH)
    shipping.observe(*range(MAX_BATCH + 1))
    assert shipping.delivery.step(1.0) == 0.0
    assert shipping.delivery.step(1.0) is None
    assert len(shipping.samples) == 1
    shipping.ship()
    assert shipping.carrier.latencies() == list(range(MAX_BATCH + 1))


def test_the_first_sample_wakes_and_so_does_a_full_batch() -> None:
    shipping = Shipping(max_samples=3 * MAX_BATCH)
    shipping.observe(1)
    assert shipping.woken == 1
    shipping.observe(*range(MAX_BATCH - 1))
    assert shipping.woken == 1
    shipping.observe(1, 2, 3)
    assert shipping.woken == 2


def test_series_beyond_their_bound_are_counted_together() -> None:
    samples = WaitingSamples(lambda: None)
    for number in range(MAX_SERIES + 10):
        samples.series(GET._replace(route=f"/{number}"))
    rest = {samples.series(GET._replace(route=f"/more/{n}")) for n in range(10)}
    assert [samples.keys[number].route for number in rest] == ["(other)"]


def test_names_that_no_server_takes_are_made_to_fit() -> None:
    samples = WaitingSamples(lambda: None)
    samples.series(GET._replace(route="/" + 2_000 * "x"))
    twice = [samples.series(GET._replace(route=route)) for route in ("/\udcff", "/\\udcff")]
    assert twice == [1, 1]
    assert [key.route for key in samples.keys] == ["/" + 999 * "x", "/\\udcff"]
    assert keyed_samples.MAX_ROUTE_LENGTH == MAX_ROUTE_LENGTH


def test_no_thread_loses_or_doubles_a_sample() -> None:
    """Threads observe while another one takes, as those of a WSGI server do."""
    samples = WaitingSamples(lambda: None, limit=1_000_000)
    taken: list[int] = []
    done = threading.Event()

    def observe(thread: int) -> None:
        number = samples.series(GET._replace(status_code=200 + thread))
        for place in range(20_000):
            samples.observe(number, place * 4 + thread, START_NS)

    def take() -> None:
        while not done.is_set() or len(samples):
            taken.extend(latency for _, latency, _ in PACKED_SAMPLE.iter_unpack(samples.take()))

    threads = [threading.Thread(target=observe, args=(n,)) for n in range(4)]
    taker = threading.Thread(target=take)
    for thread in (taker, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    taker.join()
    assert sorted(taken) == list(range(80_000))


def test_pauses_double_up_to_their_bound_and_are_spread() -> None:
    least, most = Pauses(lambda: 0.0), Pauses(lambda: 1.0)
    short = [least.after_failure(0, needs_mending=False) for _ in range(10)]
    long = [most.after_failure(0, needs_mending=False) for _ in range(10)]
    assert short[:4] == [0.125, 0.25, 0.5, 1.0]
    assert long[:4] == [0.25, 0.5, 1.0, 2.0]
    assert short[-1] == pauses_.LONGEST_SECONDS / 2
    assert long[-1] == pauses_.LONGEST_SECONDS
    most.reset()
    assert most.after_failure(0, needs_mending=False) == 0.25


def test_a_server_is_left_alone_for_as_long_as_it_asks_within_reason() -> None:
    pauses = Pauses(lambda: 0.0)
    assert pauses.after_failure(7.0, needs_mending=False) == 7.0
    assert pauses.after_failure(1e9, needs_mending=False) == pauses_.LONGEST_THAT_A_SERVER_MAY_ASK


def test_what_has_to_be_mended_by_hand_is_tried_less_often() -> None:
    pauses = Pauses(lambda: 1.0)
    waited = [pauses.after_failure(0, needs_mending=True) for _ in range(12)]
    assert waited[-1] == pauses_.LONGEST_WHERE_MENDING_IS_NEEDED


def lines(*rows: tuple[int, int, int], keys: Sequence[SeriesKey] = (GET,)) -> list[Any]:
    packed = b"".join(PACKED_SAMPLE.pack(*row) for row in rows)
    return [json.loads(line) for line in SampleLines().encode(packed, keys).splitlines()]


def test_a_line_says_all_that_the_contract_has() -> None:
    assert lines((0, 12_400_001, START_NS + 123_999_999)) == [
        {
            "service": "shop",
            "route": "/cart/{id}",
            "method": "GET",
            "status_code": 200,
            "latency_ms": 12.400001,
            "ts": "2026-01-31T09:00:00.123Z",
        }
    ]


def test_latencies_are_exact_and_within_what_a_server_takes() -> None:
    found = lines(*[(0, ns, START_NS) for ns in (0, 1, 999, MAX_LATENCY_NS, 2**62, -1)])
    day = MAX_LATENCY_NS / 1e6
    said = [line["latency_ms"] for line in found]
    assert said == [0.0, 1e-6, 0.000999, day, day, 0.0]


def test_names_are_escaped() -> None:
    key = SeriesKey('a "shop"\n', "/é/{x}", "GET", 200)
    (line,) = lines((0, 1, START_NS), keys=[key])
    assert (line["service"], line["route"]) == (key.service, key.route)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://ops:8000", "http://ops:8000"),
        ("http://ops", "http://ops:80"),
        ("https://ops.example/board/", "https://ops.example:443/board"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_addresses(url: str, said: str) -> None:
    assert str(Address.parse(url)) == said


@pytest.mark.parametrize(
    "url",
    [
        "ops:8000",
        "ftp://ops",
        "http://",
        "http:///path",
        "http://user:secret@ops",
        "http://ops?x=1",
        "http://ops:99999",
        "http://ops/a b",
        "http://öps",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"URL|must|ort"):
        Address.parse(url)
