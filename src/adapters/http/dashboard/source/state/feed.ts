/** The events that a filter wants, newest first: a page, older pages on demand, newer ones as they come. */

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { Refused, address, ask } from "../wire/ask.ts";
import type { Query } from "../wire/ask.ts";
import type { OpsEvent } from "../wire/shapes.ts";
import { took } from "./connection.ts";
import { useBeat } from "./pulse.ts";

export const PAGE = 50;
const MAX_PAGES_TO_CONNECT = 4;

export interface Feed {
  events: OpsEvent[] | undefined;
  refused: Refused | undefined;
  /** Whether there are older ones. */
  hasMore: boolean;
  older: () => void;
}

interface Kept {
  key: string;
  events: OpsEvent[];
  hasMore: boolean;
}

/** Both lists as one, newest first, each event once. */
export function joined(newer: readonly OpsEvent[], older: readonly OpsEvent[]): OpsEvent[] {
  const oldest = newer.at(-1)?.id ?? Infinity;
  return [...newer, ...older.filter((event) => event.id < oldest)];
}

/** What came since `known`, and `known` itself; the new alone where so much came that a gap is left. */
async function newerThan(query: Query, known: readonly OpsEvent[]): Promise<Omit<Kept, "key">> {
  const top = known[0]?.id ?? 0;
  let events: OpsEvent[] = [];
  for (let page = 0; page < MAX_PAGES_TO_CONNECT; page += 1) {
    const before = events.at(-1)?.id ?? null;
    const found = await ask<OpsEvent[]>(address("events", { ...query, before, limit: PAGE }));
    events = [...events, ...found];
    if (found.length < PAGE) {
      return { events, hasMore: false };
    }
    if (known.length > 0 && (found.at(-1)?.id ?? 0) <= top) {
      return { events: joined(events, known), hasMore: true };
    }
    if (known.length === 0) {
      break;
    }
  }
  return { events, hasMore: true };
}

export function useFeed(query: Query): Feed {
  const beat = useBeat();
  const key = address("events", query);
  const [kept, setKept] = useState<Kept | undefined>(undefined);
  const [refused, setRefused] = useState<Refused | undefined>(undefined);
  const newest = useRef<Kept | undefined>(undefined);
  const isBusy = useRef(false);

  const keep = (next: Kept): void => {
    newest.current = next;
    setKept(next);
    setRefused(undefined);
  };
  const failed = (error: unknown): void => {
    took(error);
    if (error instanceof Refused) {
      setRefused(error);
    }
  };

  useEffect(() => {
    let wanted = true;
    const known = newest.current?.key === key ? newest.current : undefined;
    newerThan(query, known?.events ?? []).then((found) => {
      if (wanted) {
        const hasMore = known !== undefined && found.hasMore ? known.hasMore : found.hasMore;
        keep({ key, events: found.events, hasMore });
      }
    }, failed);
    return () => {
      wanted = false;
    };
  }, [key, beat]);

  const older = useCallback(() => {
    const now = newest.current;
    if (now === undefined || isBusy.current) {
      return;
    }
    isBusy.current = true;
    const before = now.events.at(-1)?.id ?? null;
    ask<OpsEvent[]>(address("events", { ...query, before, limit: PAGE }))
      .then((found) => {
        const current = newest.current;
        if (current?.key === key) {
          keep({ key, events: joined(current.events, found), hasMore: found.length === PAGE });
        }
      }, failed)
      .finally(() => {
        isBusy.current = false;
      });
  }, [key]);

  return { events: kept?.events, refused, hasMore: kept?.hasMore ?? false, older };
}
