/** From the server's steps to the points of a chart. */

import type { Points, TimeSeries } from "../wire/shapes.ts";

const LEAST_SHARE = 0.25;

export interface Steps {
  /** The start of each step, in seconds since 1970. */
  starts: number[];
  seconds: number;
  /** The share of each step that the window holds. */
  shares: number[];
}

/** The steps of an answer, and how much of each lies within the window (ms). */
export function stepsOf(series: { ts: string[]; step_seconds: number }, from: number, to: number): Steps {
  const seconds = series.step_seconds;
  const starts = series.ts.map((ts) => Date.parse(ts) / 1_000);
  const shares = starts.map((start) => {
    const held = Math.min(start + seconds, to / 1_000) - Math.max(start, from / 1_000);
    return Math.max(0, Math.min(1, held / seconds));
  });
  return { starts, seconds, shares };
}

/**
 * Requests a second of the part of each step that the window holds, so that the newest step does
 * not look like a fall. Null where that is too small a part to say anything.
 */
export function rates(counts: number[], steps: Steps): Points {
  return counts.map((count, i) => {
    const share = steps.shares[i] ?? 1;
    return share < LEAST_SHARE ? null : count / (steps.seconds * share);
  });
}

/** Errors of all requests of each step, from 0 to 1; null where there was no request. */
export function errorRatios(errors: number[], counts: number[]): Points {
  return counts.map((count, i) => (count > 0 ? (errors[i] ?? 0) / count : null));
}

export function total(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

/** When the window of an answer ends, by the server's clock, if it ends now: after its last step began. */
export function endOf(series: TimeSeries, now: number): number {
  const last = series.ts.at(-1);
  if (last === undefined) {
    return now;
  }
  const start = Date.parse(last);
  return now >= start && now < start + series.step_seconds * 1_000
    ? now
    : start + series.step_seconds * 1_000;
}

/** Where to paint a dot: points that have no neighbour, which a line would leave out. */
export function lonely(values: Points): number[] {
  const found: number[] = [];
  values.forEach((value, i) => {
    if (value !== null && (values[i - 1] ?? null) === null && (values[i + 1] ?? null) === null) {
      found.push(i);
    }
  });
  return found;
}
