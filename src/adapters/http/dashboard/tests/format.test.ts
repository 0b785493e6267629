import assert from "node:assert/strict";
import { test } from "node:test";
import { ago, change, count, duration, latency, number, percent, rate } from "../source/words/format.ts";

const plain = (text: string) => text.replaceAll("\u00a0", " ").replaceAll("\u2212", "-");
const all = <T>(format: (value: T) => string, values: T[]) => values.map((value) => plain(format(value)));

test("numbers have few digits", () => {
  assert.deepEqual(all(number, [0, 0.0123, 0.5, 12.34, 123.4, 1234567]), ["0", "0.012", "0.5", "12.3", "123", "1,234,567"]);
  assert.deepEqual(all(count, [0, 999, 9_999, 12_340, 1_200_000]), ["0", "999", "9,999", "12.3 k", "1.2 M"]);
  assert.deepEqual(all(rate, [0, 0.002, 0.5, 1234]), ["0/s", "0.12/min", "0.5/s", "1,234/s"]);
  assert.deepEqual(all(percent, [0, 0.00001, 0.0012, 0.034, 0.5, 1]), ["0 %", "<0.01 %", "0.12 %", "3.4 %", "50 %", "100 %"]);
  assert.deepEqual(all(latency, [0.42, 9.87, 84.4, 812, 1240, 61_000]), ["0.42 ms", "9.9 ms", "84.4 ms", "812 ms", "1.24 s", "61 s"]);
});

test("durations have two units at most", () => {
  assert.deepEqual(all(duration, [0, 59, 3_600, 12_345, 540_000]), ["0 s", "59 s", "1 h", "3 h 25 min", "6 d 6 h"]);
  assert.equal(plain(ago(0, 125_000)), "2 min ago");
});

test("a change says how much more or less", () => {
  const changes = [[138, 100], [62, 100], [100, 100], [1, 0], [1_200, 100]].map(([now = 0, before = 0]) => plain(change(now, before)));
  assert.deepEqual(changes, ["+38 %", "-38 %", "±0 %", "", "×12"]);
});
