/** The life of one uPlot: made once, sized with the page, painted anew when the theme changes. */

import { useEffect, useRef } from "preact/hooks";
import type { RefObject } from "preact";
import uPlot from "uplot";
import { useCell } from "../state/cell.ts";
import { paint } from "../state/theme.ts";
import { type Marker, placeMarkers } from "./markers.ts";

export interface Plot {
  /** What the options depend on besides the data: another key makes a new chart. */
  key: string;
  options: () => Omit<uPlot.Options, "width" | "height">;
  data: uPlot.AlignedData;
  /** The window, in seconds. */
  from: number;
  to: number;
  markers: readonly Marker[];
}

export function usePlot(plot: Plot): { box: RefObject<HTMLDivElement | null> } {
  const box = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot>(null);
  const newest = useRef(plot);
  newest.current = plot;
  const painted = useCell(paint);

  useEffect(() => {
    const holder = box.current;
    if (holder === null) {
      return undefined;
    }
    const size = { width: holder.clientWidth || 300, height: holder.clientHeight || 160 };
    const made = new uPlot({ ...newest.current.options(), ...size }, newest.current.data, holder);
    chart.current = made;
    const observer = new ResizeObserver(() => {
      if (holder.clientWidth !== made.width || holder.clientHeight !== made.height) {
        made.setSize({ width: holder.clientWidth, height: holder.clientHeight });
        placeMarkers(made, newest.current.markers);
      }
    });
    observer.observe(holder);
    return () => {
      observer.disconnect();
      chart.current = null;
      made.destroy();
    };
  }, [plot.key]);

  useEffect(() => {
    const made = chart.current;
    if (made !== null) {
      made.batch(() => {
        made.setData(plot.data, false);
        made.setScale("x", { min: plot.from, max: plot.to });
      });
      placeMarkers(made, plot.markers);
    }
  }, [plot.data, plot.from, plot.to, plot.markers, plot.key]);

  useEffect(() => {
    chart.current?.redraw(false, true);
  }, [painted]);

  return { box };
}
