/** What all charts have in common: axes, crosshair, drag to zoom; uPlot's options for it. */

import type uPlot from "uplot";
import { clock, day } from "../words/format.ts";
import { color } from "./palette.ts";

const FONT = '11px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
const DAY_SECONDS = 86_400;
const SYNC = "opsboard";

export interface Zoom {
  /** The reader chose a part of the window, in ms. */
  into: (from: number, to: number) => void;
  out: () => void;
}

/** Times under the x axis: the day where it begins, else the time of day. */
function times(_: uPlot, splits: number[], __: number, ___: number, step: number): string[] {
  return splits.map((seconds) => {
    const at = seconds * 1_000;
    const isMidnight = new Date(at).getHours() === 0 && new Date(at).getMinutes() === 0;
    return step >= DAY_SECONDS || (isMidnight && step >= 60) ? day(at) : clock(at, step < 60);
  });
}

/** The axes: quiet figures, lines only across. */
export function axes(format: (value: number) => string): uPlot.Axis[] {
  const quiet = (): string => color("--quiet");
  const line = (): string => color("--grid");
  return [
    { stroke: quiet, font: FONT, grid: { show: false }, ticks: { show: false }, size: 24, gap: 6, space: 64, values: times },
    {
      stroke: quiet,
      font: FONT,
      grid: { stroke: line, width: 1 },
      ticks: { show: false },
      size: 54,
      gap: 8,
      space: 34,
      values: (_, splits) => splits.map((value) => (value === null ? "" : format(value))),
    },
  ];
}

/** One crosshair over all charts; a drag chooses a window, a double click goes back. */
export function cursor(zoom: () => Zoom, hasY: boolean): uPlot.Cursor {
  return {
    y: hasY,
    drag: { x: true, y: false, dist: 6, setScale: false },
    points: { size: 7, width: 2 },
    focus: { prox: -1 },
    sync: {
      key: SYNC,
      setSeries: false,
      scales: ["x", null],
      filters: { pub: (type) => type === "mousemove" || type === "mouseleave" },
    },
    bind: {
      dblclick: () => () => {
        zoom().out();
        return null;
      },
    },
  };
}

/** The part that was dragged over is the new window. */
export function zoomed(u: uPlot, zoom: () => Zoom): void {
  const { left, width } = u.select;
  if (width > 0) {
    const from = u.posToVal(left, "x") * 1_000;
    const to = u.posToVal(left + width, "x") * 1_000;
    u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    zoom().into(from, to);
  }
}
