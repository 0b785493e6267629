/** What was said: live, filtered, searched. */

import { Component } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { CopyButton } from "../parts/copy-button.tsx";
import { JsonTree } from "../parts/json-tree.tsx";
import { LookBack } from "../parts/look-back.tsx";
import { Empty, RefusedNotice } from "../parts/notice.tsx";
import { SearchField } from "../parts/search-field.tsx";
import { useAnswer } from "../state/answers.ts";
import { blocksOf } from "../state/blocks.ts";
import { type Feed, useFeed } from "../state/feed.ts";
import { adjust, changed, go, here } from "../state/place.ts";
import { type TimeWindow, bounds, iso } from "../state/time-window.ts";
import { address } from "../wire/ask.ts";
import type { EventSummary, OpsEvent } from "../wire/shapes.ts";
import { count, day } from "../words/format.ts";
import { EventLine } from "./event-line.tsx";

const LEVELS = ["FATAL", "ERROR", "WARN", "INFO", "DEBUG"];
const MINUTE_MS = 60_000;
const AT_TOP_PX = 120;

interface Props {
  params: URLSearchParams;
  window: TimeWindow;
  now: number;
}

export function Events({ params, window, now }: Props) {
  const { from, to } = bounds(window, now);
  const isOpenEnded = window.until === null && window.asOf === null;
  const span = { since: iso(from - (from % MINUTE_MS)), until: isOpenEnded ? null : iso(to) };
  const filter = { service: params.get("service"), q: params.get("q") };
  const [level, type] = [params.get("level"), params.get("type")];
  const summary = useAnswer<EventSummary>(address("events/summary", { ...span, ...filter }));
  const feed = useFeed({ ...filter, level, type }, window);
  const { shown, held, release } = useHeld(feed, params.get("event"));
  return (
    <section class="panel" aria-labelledby="events-title">
      <header class="panel-head panel-head-wrap">
        <h1 id="events-title">Events</h1>
        <SearchField name="q" value={params.get("q") ?? ""} placeholder="Search messages and meta" label="Search events" />
        <Chips name="level" label="Level" chosen={level} values={LEVELS} counts={summary.value?.by_level} />
        <Chips name="type" label="Type" chosen={type} values={Object.keys(summary.value?.by_type ?? {}).sort()} counts={summary.value?.by_type} />
      </header>
      {feed.refused && <RefusedNotice refused={feed.refused} />}
      <div aria-live="polite">
        {held > 0 && <button type="button" class="newer" onClick={release}>{held} newer {held === 1 ? "event" : "events"}</button>}
      </div>
      <div role="list" class="event-blocks">
        {blocksOf(shown).map(({ key, events }) => <Block key={key} events={events} now={now} open={openIn(events, params.get("event"))} />)}
      </div>
      {feed.events?.length === 0 && <Empty>Nothing was said in this time{filter.q || level || type ? " that the filter wants" : ""}.</Empty>}
      <footer class="panel-foot">
        {feed.hasMore && <button type="button" class="control" onClick={feed.older}>Older</button>}
      </footer>
      {feed.events && !feed.hasMore && <LookBack window={window} />}
    </section>
  );
}

/** Whether the reader is further down; told by scrolling, since to look would lay out the page. */
function useIsDown(): { readonly current: boolean } {
  const [isDown] = useState(() => ({ current: scrollY > AT_TOP_PX }));
  useEffect(() => {
    const look = (): void => {
      isDown.current = scrollY > AT_TOP_PX;
    };
    addEventListener("scroll", look, { passive: true });
    return () => removeEventListener("scroll", look);
  }, []);
  return isDown;
}

/** New events wait while the reader is further down or has one open, so that nothing jumps. */
function useHeld({ events, key }: Feed, open: string | null): { shown: OpsEvent[]; held: number; release: () => void } {
  const top = useRef<{ key: string | undefined; id: number | undefined }>({ key: undefined, id: undefined });
  const [, setReleased] = useState<number | undefined>(undefined);
  const newest = events?.[0]?.id;
  const isReading = useIsDown().current || open !== null;
  if (!isReading || top.current.key !== key) {
    top.current = { key, id: newest };
  }
  const upto = top.current.id;
  const shown = useMemo(
    () => (events ?? []).filter((event) => upto === undefined || event.id <= upto),
    [events, upto],
  );
  const held = (events?.length ?? 0) - shown.length;
  const release = (): void => {
    top.current = { key, id: newest };
    setReleased(newest);
    scrollTo(0, 0);
  };
  // After a gap nothing that old may be left.
  return shown.length === 0 && held > 0 ? { shown: events ?? [], held: 0, release } : { shown, held, release };
}

interface ChipsProps {
  name: string;
  label: string;
  chosen: string | null;
  values: string[];
  counts: Record<string, number> | undefined;
}

function Chips({ name, label, chosen, values, counts }: ChipsProps) {
  const shown = values.filter((value) => (counts?.[value] ?? 0) > 0 || value === chosen);
  return (
    <div class="chips" role="group" aria-label={label}>
      {shown.map((value) => (
        <button type="button" key={value} class={name === "level" ? `chip level-${value.toLowerCase()}` : "chip"}
          aria-pressed={value === chosen}
          onClick={() => go(changed(here(), { [name]: value === chosen ? null : value, event: null }))}>
          <bdi>{value}</bdi> <span>{count(counts?.[value] ?? 0)}</span>
        </button>
      ))}
    </div>
  );
}

interface BlockProps {
  events: OpsEvent[];
  now: number;
  /** The id of the one that is open, if it is among these. */
  open: string | null;
}

/**
 * Events that lie together, drawn again only where that shows: a feed that is open all day gets new
 * ones several times a second, and nearly all of what is there stays as it is.
 */
class Block extends Component<BlockProps> {
  override shouldComponentUpdate(next: BlockProps): boolean {
    const { events, now, open } = this.props;
    const isSame = events.length === next.events.length && events.every((each, i) => each === next.events[i]);
    return !isSame || open !== next.open || day(now) !== day(next.now);
  }

  override render({ events, now, open }: BlockProps) {
    return (
      <ol class="events" role="none">
        {events.map((event) => <Row key={event.id} event={event} now={now} isOpen={open === String(event.id)} />)}
      </ol>
    );
  }
}

function openIn(events: OpsEvent[], open: string | null): string | null {
  return events.some((event) => String(event.id) === open) ? open : null;
}

function Row({ event, now, isOpen }: { event: OpsEvent; now: number; isOpen: boolean }) {
  const id = `event-${event.id}`;
  return (
    <li role="listitem" class={isOpen ? "is-open" : ""}>
      <button type="button" class="event-row" aria-expanded={isOpen} aria-controls={id}
        onClick={() => adjust(changed(here(), { event: isOpen ? null : String(event.id) }))}>
        <EventLine event={event} now={now} />
      </button>
      {isOpen && <Details id={id} event={event} />}
    </li>
  );
}

function Details({ id, event }: { id: string; event: OpsEvent }) {
  const own = new URL(`events/${event.id}`, location.href).href;
  return (
    <div id={id} class="event-details">
      <p class="event-full" dir="auto">{event.message}</p>
      <JsonTree value={event.meta} />
      <p class="event-actions">
        <span class="hint">#{event.id} · {event.ts}</span>
        <CopyButton text={() => JSON.stringify(event, null, 2)}>Copy as JSON</CopyButton>
        <CopyButton text={() => `curl -s '${own}'`}>Copy as curl</CopyButton>
      </p>
    </div>
  );
}
