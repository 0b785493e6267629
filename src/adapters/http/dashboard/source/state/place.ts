/** Where the reader is: all of it stands in the URL, so that a link shows what its sender saw. */

import { Cell, useCell } from "./cell.ts";

export const VIEWS = ["overview", "endpoints", "events", "errors", "deploys"] as const;
export type View = (typeof VIEWS)[number];

export type Changes = Record<string, string | null>;

/** What stays when the reader goes to another view. */
const KEPT = ["last", "since", "until", "as_of", "service", "refresh"];

export function viewOf(params: URLSearchParams): View {
  const named = params.get("view");
  return VIEWS.find((view) => view === named) ?? "overview";
}

/** The parameters with some of them set, or removed where the value is null. */
export function changed(params: URLSearchParams, changes: Changes): URLSearchParams {
  const next = new URLSearchParams(params);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "") {
      next.delete(name);
    } else {
      next.set(name, value);
    }
  }
  return next;
}

/** The parameters of another view: the window and the service stay. */
export function moved(params: URLSearchParams, view: View, extra: Changes = {}): URLSearchParams {
  const next = new URLSearchParams();
  if (view !== "overview") {
    next.set("view", view);
  }
  for (const name of KEPT) {
    const value = params.get(name);
    if (value !== null) {
      next.set(name, value);
    }
  }
  return changed(next, extra);
}

/** A relative link to a place; "./" is the page itself without parameters. */
export function link(params: URLSearchParams): string {
  const text = params.toString();
  return text ? `?${text}` : "./";
}

const place = new Cell(new URLSearchParams(location.search));

addEventListener("popstate", () => {
  place.value = new URLSearchParams(location.search);
});

export function usePlace(): URLSearchParams {
  return useCell(place);
}

export function here(): URLSearchParams {
  return place.value;
}

/** Go to a place, as a step that the browser's back button undoes. */
export function go(params: URLSearchParams): void {
  if (params.toString() === place.value.toString()) {
    return;
  }
  const before = viewOf(place.value);
  history.pushState(null, "", link(params));
  place.value = params;
  if (viewOf(params) !== before) {
    scrollTo(0, 0);
  }
}

/** Change the place without a step of its own, such as at each key of a search. */
export function adjust(params: URLSearchParams): void {
  history.replaceState(null, "", link(params));
  place.value = params;
}
