/** Deployments as lines over a chart, each with what was said when it happened. */

import type uPlot from "uplot";

export interface Marker {
  at: number;
  label: string;
}

const NEAR_EDGE = 0.7;

/** Put the markers where they belong now; those outside of the window are left out. */
export function placeMarkers(u: uPlot, markers: readonly Marker[]): void {
  for (const old of u.over.querySelectorAll(".marker")) {
    old.remove();
  }
  const { min, max } = u.scales["x"] ?? {};
  if (min == null || max == null) {
    return;
  }
  for (const marker of markers) {
    const seconds = marker.at / 1_000;
    if (seconds >= min && seconds <= max) {
      u.over.append(drawn(marker.label, u.valToPos(seconds, "x"), u.over.clientWidth));
    }
  }
}

function drawn(label: string, left: number, width: number): HTMLElement {
  const line = document.createElement("div");
  line.className = left > width * NEAR_EDGE ? "marker marker-left" : "marker";
  line.style.left = `${left}px`;
  const said = document.createElement("span");
  said.textContent = label;
  line.append(said);
  return line;
}
