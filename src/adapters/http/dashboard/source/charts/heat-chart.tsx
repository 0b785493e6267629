/** How many requests took how long, over time: the darker, the more. */

import { useMemo, useRef, useState } from "preact/hooks";
import type uPlot from "uplot";
import type { Heatmap } from "../wire/shapes.ts";
import { count, latency } from "../words/format.ts";
import { Card } from "./card.tsx";
import type { Marker } from "./markers.ts";
import { faded } from "./palette.ts";
import { type Zoom, axes, cursor, zoomed } from "./plot.ts";
import { usePlot } from "./use-plot.ts";

const ROW_GROWTH = 2 ** 0.25; // a row of the answer is a quarter of an octave
const SHADES = 12;
const FAINTEST = 0.1;
const ROUNDING = 1.001;
const LABELLED_MS = [0.01, 0.1, 1, 10, 100, 1_000, 10_000, 100_000];

interface Props {
  title: string;
  heatmap: Heatmap;
  from: number;
  to: number;
  markers: readonly Marker[];
  zoom: Zoom;
}

interface Cells {
  x: number[];
  lowest: number;
  highest: number;
  most: number;
}

function cellsOf(heatmap: Heatmap): Cells {
  const lowest = (heatmap.upto_ms[0] ?? 1) / ROW_GROWTH;
  return {
    x: heatmap.ts.map((ts) => Date.parse(ts) / 1_000),
    lowest,
    highest: heatmap.upto_ms.at(-1) ?? lowest * 10,
    most: heatmap.counts.reduce((most, row) => row.reduce((a, b) => Math.max(a, b), most), 0),
  };
}

function labelled(cells: Cells): number[] {
  return LABELLED_MS.filter((ms) => ms >= cells.lowest && ms <= cells.highest);
}

/** Shades grow with the root of the count: one slow request among thousands is still seen. */
function shadeOf(value: number, most: number): number {
  return Math.max(1, Math.ceil(Math.sqrt(value / most) * SHADES));
}

function paintCells(u: uPlot, heatmap: Heatmap, cells: Cells): void {
  const { ctx, bbox } = u;
  const shades = Array.from({ length: SHADES + 1 }, (_, i) =>
    faded("--heat", FAINTEST + ((1 - FAINTEST) * i) / SHADES),
  );
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  const y = (ms: number): number => Math.round(u.valToPos(ms, "y", true));
  const tops = heatmap.upto_ms.map(y);
  const bottoms = heatmap.upto_ms.map((upto) => y(upto / ROW_GROWTH));
  heatmap.counts.forEach((column, i) => {
    const start = cells.x[i] ?? 0;
    const left = Math.round(u.valToPos(start, "x", true));
    const right = Math.round(u.valToPos(start + heatmap.step_seconds, "x", true));
    column.forEach((value, j) => {
      if (value > 0) {
        const top = tops[j] ?? 0;
        const bottom = bottoms[j] ?? 0;
        ctx.fillStyle = shades[shadeOf(value, cells.most)] ?? "";
        ctx.fillRect(left, top, Math.max(1, right - left), Math.max(1, bottom - top));
      }
    });
  });
  ctx.restore();
}

export function HeatChart(props: Props) {
  const [pointed, setPointed] = useState<{ i: number; j: number } | null>(null);
  const newest = useRef(props);
  newest.current = props;
  const cells = useMemo(() => cellsOf(props.heatmap), [props.heatmap]);
  const newestCells = useRef(cells);
  newestCells.current = cells;
  const data = useMemo(() => [cells.x, cells.x.map(() => null)] as uPlot.AlignedData, [cells]);

  function options(): Omit<uPlot.Options, "width" | "height"> {
    const zoom = () => newest.current.zoom;
    const [xAxis = {}, yAxis = {}] = axes(latency);
    return {
      padding: [8, 16, 0, 0],
      legend: { show: false },
      cursor: { ...cursor(zoom, true), points: { show: false } },
      axes: [xAxis, { ...yAxis, splits: () => labelled(newestCells.current), filter: (_, splits) => splits }],
      scales: {
        x: { time: true },
        y: { distr: 3, range: () => [newestCells.current.lowest, newestCells.current.highest] },
      },
      series: [{}, { paths: () => null, points: { show: false } }],
      hooks: {
        draw: [(u) => paintCells(u, newest.current.heatmap, newestCells.current)],
        setSelect: [(u) => zoomed(u, zoom)],
        setCursor: [(u) => setPointed(cellAt(u, newest.current.heatmap))],
      },
    };
  }

  const { box } = usePlot({
    key: `${cells.lowest} ${cells.highest}`,
    options,
    data,
    from: props.from,
    to: props.to,
    markers: props.markers,
  });
  const { heatmap } = props;
  return (
    <Card
      title={props.title}
      legend={[{ label: pointed ? bandOf(heatmap, pointed.j) : "requests", color: "--heat", value: pointed ? count(heatmap.counts[pointed.i]?.[pointed.j] ?? 0) : "" }]}
      at={pointed ? (cells.x[pointed.i] ?? null) : null}
      table={() => ({
        columns: heatmap.upto_ms.map((ms) => `≤ ${latency(ms)}`),
        rows: heatmap.counts.map((row, i) => ({ at: (cells.x[i] ?? 0) * 1_000, cells: row.map(String) })),
      })}
    >
      <div class="plot" ref={box} />
    </Card>
  );
}

function bandOf(heatmap: Heatmap, row: number): string {
  const upto = heatmap.upto_ms[row] ?? 0;
  return `${latency(upto / ROW_GROWTH)} – ${latency(upto)}`;
}

function cellAt(u: uPlot, heatmap: Heatmap): { i: number; j: number } | null {
  const { left = -1, top = -1 } = u.cursor;
  if (left < 0 || top < 0) {
    return null;
  }
  const seconds = u.posToVal(left, "x");
  const i = heatmap.ts.findLastIndex((ts) => Date.parse(ts) / 1_000 <= seconds);
  const ms = u.posToVal(top, "y");
  const j = heatmap.upto_ms.findIndex((upto) => ms <= upto && ms * ROW_GROWTH * ROUNDING >= upto);
  return i < 0 || j < 0 ? null : { i, j };
}
