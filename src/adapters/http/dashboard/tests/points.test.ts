import assert from "node:assert/strict";
import { test } from "node:test";
import { heatSum } from "../source/charts/heat-sum.ts";
import { errorRatios, lonely, rates, stepsOf } from "../source/charts/points.ts";

const SERIES = { ts: ["2026-01-31T12:00:00Z", "2026-01-31T12:01:00Z", "2026-01-31T12:02:00Z"], step_seconds: 60 };
const at = (text: string) => Date.parse(`2026-01-31T${text}Z`);

test("the newest step counts by the part of it that has passed", () => {
  const steps = stepsOf(SERIES, at("12:00:00"), at("12:02:30"));
  assert.deepEqual(steps.shares, [1, 1, 0.5]);
  assert.deepEqual(rates([60, 60, 30], steps), [1, 1, 1]);
});

test("a step that has hardly begun says nothing", () => {
  const steps = stepsOf(SERIES, at("12:00:50"), at("12:02:02"));
  assert.deepEqual(rates([9, 60, 1], steps), [null, 1, null]);
});

test("a ratio of no requests is none", () => {
  assert.deepEqual(errorRatios([0, 1], [0, 4]), [null, 0.25]);
});

test("points without neighbours are found, a line would leave them out", () => {
  assert.deepEqual(lonely([1, null, 2, null, 3, 4, null, 5]), [0, 2, 7]);
});

test("heat maps add up row by row, whatever rows each has", () => {
  const map = (upto_ms: number[], counts: number[][]) => ({ ...SERIES, ts: SERIES.ts.slice(0, 1), upto_ms, counts });
  const sum = heatSum([map([1, 2], [[1, 2]]), map([2, 4], [[10, 20]]), map([], [[]])]);
  assert.deepEqual(sum?.upto_ms, [1, 2, 4]);
  assert.deepEqual(sum?.counts, [[1, 12, 20]]);
});
