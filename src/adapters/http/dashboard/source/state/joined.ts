/** Two lists of events, each newest first, as one: each event once. */

import type { OpsEvent } from "../wire/shapes.ts";

export function joined(newer: readonly OpsEvent[], older: readonly OpsEvent[]): OpsEvent[] {
  const known = new Set(older.map((event) => event.id));
  return [...newer.filter((event) => !known.has(event.id)), ...older].sort((a, b) => b.id - a.id);
}
