import assert from "node:assert/strict";
import { test } from "node:test";
import { bounds, isLive, scaled, shifted, windowOf, windowQuery } from "../source/state/time-window.ts";

const NOW = Date.parse("2026-01-31T12:00:00Z");

function read(query: string) {
  return windowOf(new URLSearchParams(query));
}

test("a window is the last hour unless the URL says otherwise", () => {
  assert.equal(read("").last, "1h");
  assert.equal(read("last=6h").last, "6h");
});

test("what can not be read counts as not said", () => {
  for (const query of ["last=soon", "last=", "since=yesterday", "since=2026-01-02T00:00Z&until=2026-01-01T00:00Z"]) {
    assert.equal(read(query).last, "1h", query);
  }
});

test("two moments stand before a preset", () => {
  const window = read("last=6h&since=2026-01-31T10:00:00Z&until=2026-01-31T11:00:00Z");
  assert.deepEqual(windowQuery(window), {
    last: null, since: "2026-01-31T10:00:00Z", until: "2026-01-31T11:00:00Z", as_of: null,
  });
  assert.equal(isLive(window), false);
});

test("as of a moment, a preset ends there", () => {
  const window = read("last=1h&as_of=2026-01-30T00:00:00Z");
  assert.deepEqual(bounds(window, NOW), {
    from: Date.parse("2026-01-29T23:00:00Z"), to: Date.parse("2026-01-30T00:00:00Z"),
  });
  assert.equal(isLive(window), false);
});

test("a window is moved and made longer, never past now", () => {
  assert.deepEqual(shifted(read("last=1h"), -0.5, NOW), {
    last: null, since: "2026-01-31T10:30:00.000Z", until: "2026-01-31T11:30:00.000Z",
  });
  assert.deepEqual(scaled(read("last=1h"), 2, NOW), {
    last: null, since: "2026-01-31T10:00:00.000Z", until: "2026-01-31T12:00:00.000Z",
  });
});
