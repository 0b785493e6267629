/** The server's live stream of events, while somebody looks at the page. */

import { useEffect, useRef } from "preact/hooks";
import { address } from "../wire/ask.ts";
import type { Query } from "../wire/ask.ts";
import type { OpsEvent } from "../wire/shapes.ts";
import { suspect } from "./connection.ts";

/** Events that come closer together than this are given together: the page is drawn so seldom. */
const GATHER_MS = 250;

interface Listener {
  /** The stream stands: from now on every event comes. */
  onOpen: () => void;
  onEvents: (events: OpsEvent[]) => void;
}

/**
 * Listen for what the filter wants. A browser opens few connections to one server, so a hidden page
 * gives its own up; `onOpen` is called again when it is back.
 */
export function useStream(query: Query | null, listener: Listener): void {
  const newest = useRef(listener);
  newest.current = listener;
  const path = query === null ? null : address("events/stream", query);
  useEffect(() => {
    if (path === null) {
      return undefined;
    }
    let source: EventSource | undefined;
    let gathered: OpsEvent[] = [];
    let timer: ReturnType<typeof setTimeout> | undefined;
    const give = (): void => {
      timer = undefined;
      newest.current.onEvents(gathered);
      gathered = [];
    };
    const open = (): void => {
      source = new EventSource(path);
      source.addEventListener("open", () => newest.current.onOpen());
      source.addEventListener("error", () => void suspect());
      source.addEventListener("event", (message: MessageEvent<string>) => {
        gathered.push(JSON.parse(message.data) as OpsEvent);
        timer ??= setTimeout(give, GATHER_MS);
      });
    };
    const close = (): void => {
      source?.close();
      source = undefined;
    };
    const onVisibility = (): void => {
      close();
      if (document.visibilityState === "visible") {
        open();
      }
    };
    onVisibility();
    document.addEventListener("visibilitychange", onVisibility);
    return () => {
      document.removeEventListener("visibilitychange", onVisibility);
      clearTimeout(timer);
      close();
    };
  }, [path]);
}
