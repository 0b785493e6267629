/** Two lists of events, each newest first, as one: each event once. */

import type { OpsEvent } from "../wire/shapes.ts";

export function joined(newer: readonly OpsEvent[], older: readonly OpsEvent[]): OpsEvent[] {
  const [oldestNew, newestKnown] = [newer.at(-1), older[0]];
  if (oldestNew === undefined || newestKnown === undefined || oldestNew.id > newestKnown.id) {
    return [...newer, ...older];
  }
  const known = new Set(older.map((event) => event.id));
  return [...newer.filter((event) => !known.has(event.id)), ...older].sort((a, b) => b.id - a.id);
}
