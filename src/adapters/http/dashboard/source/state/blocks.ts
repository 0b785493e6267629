/** A long list of events in blocks, each with the same events as long as these are there. */

import type { OpsEvent } from "../wire/shapes.ts";

/** So many ids lie in a block; fewer events where a filter leaves some out. */
const IDS = 16;

export interface EventBlock {
  key: number;
  events: OpsEvent[];
}

/** Events that are newest first. What comes or goes at an end changes the block at that end alone. */
export function blocksOf(events: readonly OpsEvent[]): EventBlock[] {
  const blocks: EventBlock[] = [];
  for (const event of events) {
    const key = Math.floor(event.id / IDS);
    const last = blocks.at(-1);
    if (last?.key === key) {
      last.events.push(event);
    } else {
      blocks.push({ key, events: [event] });
    }
  }
  return blocks;
}
