/** Zooming into a part of the window, and back out the same way. */

import type { Zoom } from "../charts/plot.ts";
import { type Changes, changed, go, here } from "./place.ts";
import { between, scaled, windowOf } from "./time-window.ts";

const SHORTEST_MS = 30_000;
const OUT = 3;

const before: Changes[] = [];

function into(from: number, to: number): void {
  const { last, since, until } = windowOf(here());
  before.push({ last, since, until });
  const middle = (from + to) / 2;
  const half = Math.max(to - from, SHORTEST_MS) / 2;
  go(changed(here(), between(middle - half, middle + half)));
}

function out(): void {
  const window = windowOf(here());
  if (window.last === null) {
    go(changed(here(), before.pop() ?? scaled(window, OUT, Date.now())));
  }
}

export const zoom: Zoom = { into, out };
