/** Lines over time, with what they are at the crosshair, and the same as a table. */

import { useMemo, useRef, useState } from "preact/hooks";
import type uPlot from "uplot";
import type { Points } from "../wire/shapes.ts";
import { Card } from "./card.tsx";
import type { Marker } from "./markers.ts";
import { color, faded } from "./palette.ts";
import { type Zoom, axes, cursor, zoomed } from "./plot.ts";
import { lonely } from "./points.ts";
import { usePlot } from "./use-plot.ts";

export interface Line {
  label: string;
  /** A custom property of the style sheet. */
  color: string;
  values: Points;
  isFilled?: boolean;
  /** What stands beside the label while nothing is pointed at. */
  summary?: string;
}

interface Props {
  title: string;
  /** Seconds since 1970. */
  x: number[];
  lines: Line[];
  from: number;
  to: number;
  format: (value: number) => string;
  /** The axis reaches at least so far up. */
  atLeast: number;
  markers: readonly Marker[];
  zoom: Zoom;
}

function options(lines: Line[], props: () => Props, onPoint: (at: number | null) => void): Omit<uPlot.Options, "width" | "height"> {
  return {
    padding: [8, 16, 0, 0],
    legend: { show: false },
    cursor: cursor(() => props().zoom, false),
    axes: axes((value) => props().format(value)),
    scales: {
      x: { time: true },
      y: { range: (_, __, max) => [0, Math.max((max ?? 0) * 1.1, props().atLeast)] },
    },
    series: [
      {},
      ...lines.map((line) => ({
        label: line.label,
        stroke: () => color(line.color),
        width: 1.5,
        ...(line.isFilled ? { fill: () => faded(line.color, 0.12) } : {}),
        points: {
          show: true,
          size: 4,
          filter: (u: uPlot, place: number) => lonely([...(u.data[place] ?? [])] as Points),
        },
      })),
    ],
    hooks: {
      setSelect: [(u) => zoomed(u, () => props().zoom)],
      setCursor: [(u) => onPoint(u.cursor.idx ?? null)],
    },
  };
}

export function LineChart(props: Props) {
  const [at, setAt] = useState<number | null>(null);
  const newest = useRef(props);
  newest.current = props;
  const data = useMemo(
    () => [props.x, ...props.lines.map((line) => line.values)] as uPlot.AlignedData,
    [props.x, props.lines],
  );
  const { box } = usePlot({
    key: props.lines.map((line) => `${line.label} ${line.color}`).join("\n"),
    options: () => options(newest.current.lines, () => newest.current, setAt),
    data,
    from: props.from,
    to: props.to,
    markers: props.markers,
  });
  const legend = props.lines.map((line) => {
    const value = at === null ? undefined : (line.values[at] ?? null);
    const shown = value === undefined ? (line.summary ?? "") : value === null ? "–" : props.format(value);
    return { label: line.label, color: line.color, value: shown };
  });
  return (
    <Card
      title={props.title}
      legend={legend}
      at={at === null ? null : (props.x[at] ?? null)}
      table={() => ({
        columns: props.lines.map((line) => line.label),
        rows: props.x.map((x, i) => ({
          at: x * 1_000,
          cells: props.lines.map((line) => {
            const value = line.values[i] ?? null;
            return value === null ? "" : props.format(value);
          }),
        })),
      })}
    >
      <div class="plot" ref={box} />
    </Card>
  );
}
