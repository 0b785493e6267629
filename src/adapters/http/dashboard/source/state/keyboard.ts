/** Keys that work everywhere but in a field. */

import { useEffect } from "preact/hooks";

const CHORD_MS = 2_000;

/** Keys, and pairs of keys with a space between, and what they do. */
export function useKeys(actions: Record<string, () => void>): void {
  useEffect(() => {
    let first = "";
    let at = 0;
    const onKey = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) {
        return;
      }
      const chord = first && event.timeStamp - at < CHORD_MS ? `${first} ${event.key}` : event.key;
      first = chord === event.key ? event.key : "";
      at = event.timeStamp;
      const action = actions[chord];
      if (action !== undefined) {
        event.preventDefault();
        first = "";
        action();
      }
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [actions]);
}

/** A closed dialog keeps the focus until the page is next drawn, and no key may be lost to it. */
function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.matches("input, textarea, select, dialog[open] *");
}
