/** The events that a filter wants, newest first: a page, older ones on demand, new ones as they come. */

import { useEffect, useRef, useState } from "preact/hooks";
import { Refused, address, ask } from "../wire/ask.ts";
import type { Query } from "../wire/ask.ts";
import type { OpsEvent } from "../wire/shapes.ts";
import { took } from "./connection.ts";
import { joined } from "./joined.ts";
import { isSignedOut } from "./session.ts";
import { useStream } from "./stream.ts";
import { type TimeWindow, bounds, iso, isLive, windowQuery } from "./time-window.ts";

const PAGE = 50;
const MAX_PAGES_TO_CONNECT = 4;
/** Of a live feed; the rest can be had by asking for older ones. */
const MOST_KEPT = 500;

export interface Filter {
  level?: string | null;
  type?: string | null;
  service?: string | null;
  q?: string | null;
}

export interface Feed {
  events: OpsEvent[] | undefined;
  /** What was asked for when these were answered: another filter has another. */
  key: string | undefined;
  refused: Refused | undefined;
  /** Whether there are older ones, and asking for a page of them. */
  hasMore: boolean;
  older: () => void;
}

interface Kept {
  key: string;
  events: OpsEvent[];
  hasMore: boolean;
}

/**
 * What came since `known`, and `known` itself; the new alone where so much came that there would be
 * a gap, or where the server now has another store.
 */
async function caughtUp(query: Query, known: Kept | undefined): Promise<Omit<Kept, "key">> {
  const top = known?.events[0]?.id ?? 0;
  let events: OpsEvent[] = [];
  for (let page = 0; page < MAX_PAGES_TO_CONNECT; page += 1) {
    const before = events.at(-1)?.id ?? null;
    const found = await ask<OpsEvent[]>(address("events", { ...query, before, limit: PAGE }));
    events = [...events, ...found];
    if (found.length < PAGE) {
      return { events, hasMore: false };
    }
    if ((events[0]?.id ?? 0) < top || known === undefined) {
      break;
    }
    if ((found.at(-1)?.id ?? 0) <= top) {
      return { events: joined(events, known.events), hasMore: known.hasMore };
    }
  }
  return { events, hasMore: true };
}

/** Between which moments the window wants events now; one that is live has no end. */
function spanOf(window: TimeWindow | null): { since: string | null; until: string | null } {
  if (window === null) {
    return { since: null, until: null };
  }
  const { from, to } = bounds(window, Date.now());
  return { since: iso(from), until: isLive(window) ? null : iso(to) };
}

/** The events that a filter wants, of a window, or of all time. */
export function useFeed(filter: Filter, window: TimeWindow | null): Feed {
  const key = address("events", { ...filter, ...(window && windowQuery(window)) });
  const [kept, setKept] = useState<Kept | undefined>(undefined);
  const [refused, setRefused] = useState<Refused | undefined>(undefined);
  const newest = useRef<Kept | undefined>(undefined);
  const isBusy = useRef(false);
  const query = (): Query => ({ ...filter, ...spanOf(window) });

  const keep = (next: Kept): void => {
    newest.current = next;
    setKept(next);
    setRefused(undefined);
  };
  const failed = (error: unknown): void => {
    took(error);
    if (error instanceof Refused) {
      isSignedOut.value ||= error.status === 401;
      setRefused(error);
    }
  };
  const load = (): void => {
    const known = newest.current?.key === key ? newest.current : undefined;
    caughtUp(query(), known).then((found) => keep({ key, ...found }), failed);
  };
  useEffect(load, [key]);
  useStream(window === null || isLive(window) ? { ...filter } : null, {
    onOpen: load,
    onEvents: (events) => {
      const now = newest.current;
      if (now?.key === key) {
        const all = joined([...events].reverse(), now.events);
        const isCut = all.length > Math.max(MOST_KEPT, now.events.length);
        keep({ key, events: isCut ? all.slice(0, MOST_KEPT) : all, hasMore: now.hasMore || isCut });
      }
    },
  });

  const older = (): void => {
    const now = newest.current;
    if (now === undefined || isBusy.current) {
      return;
    }
    isBusy.current = true;
    const before = now.events.at(-1)?.id ?? null;
    ask<OpsEvent[]>(address("events", { ...query(), before, limit: PAGE }))
      .then((found) => {
        const current = newest.current;
        if (current?.key === key) {
          keep({ key, events: joined(current.events, found), hasMore: found.length === PAGE });
        }
      }, failed)
      .finally(() => {
        isBusy.current = false;
      });
  };

  return { events: kept?.events, key: kept?.key, refused, hasMore: kept?.hasMore ?? false, older };
}
