/** One event on one line: when, how grave, where, what. Whatever it says is text. */

import type { OpsEvent } from "../wire/shapes.ts";
import { moment } from "../words/format.ts";

export function EventLine({ event, now }: { event: OpsEvent; now: number }) {
  const at = Date.parse(event.ts);
  return (
    <>
      <time dateTime={event.ts} title={event.ts}>{moment(at, now, true)}</time>
      <span class={`level level-${event.level.toLowerCase()}`}>{event.level}</span>
      <span class="event-service"><bdi>{event.service}</bdi></span>
      <span class="event-type">{event.type}</span>
      <span class="event-message"><bdi>{event.message}</bdi></span>
    </>
  );
}
