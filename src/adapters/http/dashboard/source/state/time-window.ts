/** The time that the page shows: a preset back from now, or two moments, or as things were known. */

import type { Changes } from "./place.ts";

export interface TimeWindow {
  last: string | null;
  since: string | null;
  until: string | null;
  asOf: string | null;
}

export const PRESETS = ["15m", "1h", "3h", "6h", "12h", "24h", "2d", "7d", "14d", "30d"] as const;
const DEFAULT_LAST = "1h";
const LONGEST_SECONDS = 30 * 86_400;
const SECONDS: Record<string, number> = { s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 };
const DURATION = /^([1-9][0-9]{0,6})([smhdw])$/;

/** The seconds of "15m"; null for what is no duration. */
export function secondsOf(duration: string): number | null {
  const found = DURATION.exec(duration);
  return found ? Number(found[1]) * (SECONDS[found[2] ?? ""] ?? 0) : null;
}

function moment(text: string | null): string | null {
  return text !== null && !Number.isNaN(Date.parse(text)) ? text : null;
}

/** What the URL says; what can not be read counts as not said. */
export function windowOf(params: URLSearchParams): TimeWindow {
  const since = moment(params.get("since"));
  const until = moment(params.get("until"));
  const asOf = moment(params.get("as_of"));
  if (since !== null && (until === null || Date.parse(since) < Date.parse(until))) {
    return { last: null, since, until, asOf };
  }
  const last = params.get("last");
  const known = last !== null && secondsOf(last) !== null;
  return { last: known ? last : DEFAULT_LAST, since: null, until: null, asOf };
}

/** The window as parameters of the server's routes. */
export function windowQuery(window: TimeWindow): Record<string, string | null> {
  return { last: window.last, since: window.since, until: window.until, as_of: window.asOf };
}

/** The window as two moments, for routes that know no `last`. */
export function bounds(window: TimeWindow, now: number): { from: number; to: number } {
  const end = window.asOf === null ? now : Date.parse(window.asOf);
  const to = window.until === null ? end : Date.parse(window.until);
  const seconds = window.last === null ? null : secondsOf(window.last);
  const from =
    window.since === null ? to - (seconds ?? 3_600) * 1_000 : Date.parse(window.since);
  return { from, to };
}

export function windowSeconds(window: TimeWindow, now: number): number {
  const { from, to } = bounds(window, now);
  return Math.max(1, (to - from) / 1_000);
}

/** Whether new data can still come into the window. */
export function isLive(window: TimeWindow): boolean {
  return window.until === null && window.asOf === null;
}

/** How often a live window asks again, in seconds, if the reader does not say. */
export function refreshSeconds(window: TimeWindow, now: number): number {
  const span = windowSeconds(window, now);
  return span <= 3_600 ? 5 : span <= 6 * 3_600 ? 15 : 60;
}

/** Two moments as the URL has them. */
export function between(from: number, to: number): Changes {
  return { last: null, since: iso(from), until: iso(to) };
}

export function iso(milliseconds: number): string {
  return new Date(Math.round(milliseconds)).toISOString();
}

/** The window moved by a share of its length, such as -0.5; a live one stands still then. */
export function shifted(window: TimeWindow, share: number, now: number): Changes {
  const { from, to } = bounds(window, now);
  const by = (to - from) * share;
  return between(from + by, Math.min(to + by, Math.max(to, now)));
}

/** The window made longer or shorter around its middle, or around its end while it is live. */
export function scaled(window: TimeWindow, factor: number, now: number): Changes {
  const { from, to } = bounds(window, now);
  const span = Math.min((to - from) * factor, LONGEST_SECONDS * 1_000);
  const middle = (from + to) / 2;
  const end = Math.min(middle + span / 2, Math.max(to, now));
  return between(end - span, end);
}
