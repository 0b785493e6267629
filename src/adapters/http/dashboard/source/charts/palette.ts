/** The page's colours for what is painted on a canvas: the style sheet's, resolved. */

import { paint } from "../state/theme.ts";

const probe = document.createElement("span");
probe.hidden = true;
document.documentElement.append(probe);

const resolved = new Map<string, string>();
paint.watch(() => resolved.clear());

/** The colour that a custom property of the style sheet stands for just now. */
export function color(name: string): string {
  let found = resolved.get(name);
  if (found === undefined) {
    probe.style.color = `var(${name})`;
    found = getComputedStyle(probe).color;
    resolved.set(name, found);
  }
  return found;
}

/** The same colour, let through to this share. */
export function faded(name: string, share: number): string {
  return `color-mix(in srgb, ${color(name)} ${Math.round(share * 100)}%, transparent)`;
}

const SERIES = 8;

/** A colour of its own for each of a few things, the first ones the calmest. */
export function seriesColor(place: number): string {
  return `--series-${(place % SERIES) + 1}`;
}
