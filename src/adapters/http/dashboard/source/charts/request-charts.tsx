/** Traffic, errors, latency and the heat map of what was selected, with deployments on all of them. */

import { useMemo } from "preact/hooks";
import { useAnswer, useAnswers } from "../state/answers.ts";
import { type TimeWindow, bounds, windowQuery } from "../state/time-window.ts";
import { zoom } from "../state/zoom.ts";
import { OWN_SERVICE } from "../views/own.ts";
import { address } from "../wire/ask.ts";
import type { Heatmap, OpsEvent, SeriesGroup, TimeSeries } from "../wire/shapes.ts";
import { latency, percent, rate } from "../words/format.ts";
import { RefusedNotice } from "../parts/notice.tsx";
import { HeatChart } from "./heat-chart.tsx";
import { heatSum } from "./heat-sum.ts";
import { type Line, LineChart } from "./line-chart.tsx";
import type { Marker } from "./markers.ts";
import { seriesColor } from "./palette.ts";
import { type Steps, endOf, errorRatios, rates, stepsOf, total } from "./points.ts";

export interface Selection {
  service: string | null;
  route?: string | null;
  method?: string | null;
}

/** The latencies of the whole window, which no sum of its steps gives. */
export interface Whole {
  all: Quantiles | undefined;
  byService: Map<string, Quantiles>;
}

interface Quantiles {
  p50_ms: number | null;
  p95_ms: number | null;
  p99_ms: number | null;
}

interface Props {
  selection: Selection;
  /** The services that are told apart where none is selected. */
  services: string[];
  whole: Whole;
  window: TimeWindow;
  now: number;
}

const MAX_LINES = 8;
const NO_MARKERS: Marker[] = [];
const STATUS_COLORS: Record<string, string> = { "2xx": "--accent", "3xx": "--series-6", "4xx": "--warn", "5xx": "--bad" };

function summed(groups: SeriesGroup[], field: "count" | "errors"): number[] {
  const length = groups[0]?.[field].length ?? 0;
  return Array.from({ length }, (_, i) => groups.reduce((sum, g) => sum + (g[field][i] ?? 0), 0));
}

function trafficLines(groups: SeriesGroup[], by: string, steps: Steps): Line[] {
  const seconds = total(steps.shares) * steps.seconds;
  return groups.map((group, i) => {
    const label = group.labels[by] ?? "all";
    return {
      label,
      color: STATUS_COLORS[label] ?? seriesColor(i),
      values: rates(group.count, steps),
      isFilled: groups.length === 1,
      summary: rate(total(group.count) / Math.max(1, seconds)),
    };
  });
}

function errorLines(groups: SeriesGroup[], isOne: boolean): Line[] {
  if (isOne) {
    const [errors, counts] = [summed(groups, "errors"), summed(groups, "count")];
    return [{
      label: "answers of 500 and above",
      color: "--bad",
      values: errorRatios(errors, counts),
      isFilled: true,
      summary: percent(total(errors) / Math.max(1, total(counts))),
    }];
  }
  return groups.map((group, i) => ({
    label: group.labels["service"] ?? "",
    color: seriesColor(i),
    values: errorRatios(group.errors, group.count),
    summary: percent(total(group.errors) / Math.max(1, total(group.count))),
  }));
}

function said(value: number | null | undefined): string {
  return value == null ? "" : latency(value);
}

function quantileLines(group: SeriesGroup | undefined, whole: Quantiles | undefined): Line[] {
  if (group === undefined) {
    return [];
  }
  return [
    { label: "p50", color: "--quantile-50", values: group.p50_ms, isFilled: true, summary: said(whole?.p50_ms) },
    { label: "p95", color: "--quantile-95", values: group.p95_ms, summary: said(whole?.p95_ms) },
    { label: "p99", color: "--quantile-99", values: group.p99_ms, summary: said(whole?.p99_ms) },
  ];
}

function p95Lines(groups: SeriesGroup[], whole: Whole): Line[] {
  return groups.map((group, i) => {
    const name = group.labels["service"] ?? "";
    return { label: name, color: seriesColor(i), values: group.p95_ms, summary: said(whole.byService.get(name)?.p95_ms) };
  });
}

export function RequestCharts({ selection, services, whole, window, now }: Props) {
  const query = { ...windowQuery(window), ...selection };
  const isOne = selection.service !== null || services.length === 1;
  const by = isOne ? "status_class" : "service";
  const told = useAnswer<TimeSeries>(address("metrics/series", { ...query, by }));
  const together = useAnswer<TimeSeries>(isOne ? address("metrics/series", query) : null);
  const maps = isOne || services.length > MAX_LINES ? [selection.service] : services;
  const heat = useAnswers<Heatmap>(
    maps.map((service) => address("metrics/heatmap", { ...query, service })),
  );
  const markers = useMarkers(selection.service, told.value);

  const series = told.value;
  const span = useMemo(() => {
    const { from, to } = bounds(window, series === undefined ? now : endOf(series, now));
    return { from: from / 1_000, to: to / 1_000 };
  }, [series, window.last, window.since, window.until, window.asOf]);
  const lines = useMemo(() => {
    if (series === undefined) {
      return undefined;
    }
    const steps = stepsOf(series, span.from * 1_000, span.to * 1_000);
    const groups = series.groups
      .filter((each) => isOne ? total(each.count) > 0 : each.labels["service"] !== OWN_SERVICE)
      .slice(0, MAX_LINES);
    return {
      x: steps.starts,
      traffic: trafficLines(groups, by, steps),
      errors: errorLines(groups, isOne),
      latencies: isOne
        ? quantileLines(together.value?.groups[0], whole.all)
        : p95Lines(groups, whole),
    };
  }, [series, together.value, whole, span, by, isOne]);
  const heatmap = useMemo(() => heatSum(heat.value ?? []), [heat.value]);

  const refused = told.refused ?? heat.refused;
  if (refused !== undefined) {
    return <RefusedNotice refused={refused} />;
  }
  if (lines === undefined) {
    return <div class="charts charts-waiting" aria-busy="true" />;
  }
  const common = { x: lines.x, ...span, markers: markers ?? NO_MARKERS, zoom };
  return (
    <div class={`charts ${told.isWaiting ? "is-waiting" : ""}`}>
      <LineChart title="Traffic" lines={lines.traffic} format={rate} atLeast={0.02} {...common} />
      <LineChart title="Errors" lines={lines.errors} format={percent} atLeast={0.01} {...common} />
      <LineChart title={isOne ? "Latency" : "Latency, p95"} lines={lines.latencies} format={latency} atLeast={1} {...common} />
      {heatmap && <HeatChart title="Latency of every request" heatmap={heatmap} {...span} markers={markers ?? NO_MARKERS} zoom={zoom} />}
    </div>
  );
}

/** The deployments since the first step of an answer. */
function useMarkers(service: string | null, series: TimeSeries | undefined): Marker[] | undefined {
  const since = series?.ts[0];
  const { value } = useAnswer<OpsEvent[]>(
    since === undefined ? null : address("events", { type: "DEPLOY", service, since, limit: 100 }),
  );
  return useMemo(
    () => value?.map((event) => ({ at: Date.parse(event.ts), label: `${event.service}: ${event.message}` })),
    [value],
  );
}

