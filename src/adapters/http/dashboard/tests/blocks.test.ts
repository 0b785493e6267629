import assert from "node:assert/strict";
import { test } from "node:test";
import { blocksOf } from "../source/state/blocks.ts";
import { joined } from "../source/state/joined.ts";
import type { OpsEvent } from "../source/wire/shapes.ts";

const events = (...ids: number[]): OpsEvent[] => ids.map((id) => ({
  id, ts: "2026-01-31T12:00:00Z", level: "INFO", type: "OPS", service: "shop", message: `number ${id}`, meta: {},
}));
const from = (first: number, last: number): OpsEvent[] =>
  events(...Array.from({ length: first - last + 1 }, (_, i) => first - i));
const ids = (all: readonly OpsEvent[]): number[] => all.map((event) => event.id);

test("blocks hold every event once, in their order", () => {
  const all = from(70, 3);
  assert.deepEqual(ids(blocksOf(all).flatMap((block) => block.events)), ids(all));
  assert.deepEqual(blocksOf([]), []);
});

test("what comes and goes at the ends leaves the blocks between as they are", () => {
  const all = from(103, 0);
  const [before, after] = [blocksOf(all.slice(3, 80)), blocksOf(all.slice(0, 77))];
  const between = (blocks: typeof before) => blocks.filter(({ key }) => key > 1 && key < 6);
  assert.equal(between(before).length, 4);
  assert.deepEqual(between(after), between(before));
  assert.equal(new Set(after.map(({ key }) => key)).size, after.length);
});

test("a filter that wants few of the events makes blocks of few", () => {
  assert.deepEqual(blocksOf(events(99, 50, 49)).map((block) => ids(block.events)), [[99], [50, 49]]);
});

test("lists that lie apart are joined as they are, others without what both have", () => {
  assert.deepEqual(ids(joined(events(9, 8), events(7, 5))), [9, 8, 7, 5]);
  assert.deepEqual(ids(joined(events(9, 7), events(7, 5))), [9, 7, 5]);
  assert.deepEqual(ids(joined(events(9, 6), events(7, 5))), [9, 7, 6, 5]);
  assert.deepEqual(ids(joined([], events(7))), [7]);
  assert.deepEqual(ids(joined(events(7), [])), [7]);
});
