/** Every route with its traffic, errors and latencies; a click goes into it. */

import { Sparkline } from "../charts/sparkline.tsx";
import { rates, stepsOf, total } from "../charts/points.ts";
import { ColumnHead } from "../parts/column-head.tsx";
import { Link, withChanges } from "../parts/link.tsx";
import { Empty, RefusedNotice } from "../parts/notice.tsx";
import { SearchField } from "../parts/search-field.tsx";
import { type Key, orderOf, sorted } from "../parts/sortable.ts";
import { useAnswer } from "../state/answers.ts";
import { type TimeWindow, bounds, windowQuery, windowSeconds } from "../state/time-window.ts";
import { address } from "../wire/ask.ts";
import type { Points, SeriesGroup, TimeSeries } from "../wire/shapes.ts";
import { latency, percent, rate } from "../words/format.ts";
import { watched } from "./own.ts";
import { sparkStep, WHOLE } from "./steps.ts";

const SHOWN = 200;

interface Endpoint {
  name: string;
  service: string;
  method: string;
  route: string;
  count: number;
  errors: number;
  p50: number | null;
  p95: number | null;
  p99: number | null;
  max: number | null;
}

const KEYS: Record<string, (endpoint: Endpoint) => Key> = {
  service: (each) => each.service,
  route: (each) => `${each.route} ${each.method}`,
  rate: (each) => each.count,
  errors: (each) => each.errors / each.count,
  p50: (each) => each.p50,
  p95: (each) => each.p95,
  p99: (each) => each.p99,
  max: (each) => each.max,
};

function newest(points: Points): number | null {
  return points.findLast((value) => value !== null) ?? null;
}

function endpointOf(group: SeriesGroup): Endpoint {
  const { service = "", method = "", route = "" } = group.labels;
  return {
    name: nameOf(group.labels),
    service,
    method,
    route,
    count: total(group.count),
    errors: total(group.errors),
    p50: newest(group.p50_ms),
    p95: newest(group.p95_ms),
    p99: newest(group.p99_ms),
    max: newest(group.max_ms),
  };
}

function nameOf(labels: Record<string, string>): string {
  return `${labels["service"]}\n${labels["method"]}\n${labels["route"]}`;
}

function matches(endpoint: Endpoint, words: string[]): boolean {
  const text = `${endpoint.service} ${endpoint.method} ${endpoint.route}`.toLowerCase();
  return words.every((word) => text.includes(word));
}

interface Props {
  params: URLSearchParams;
  window: TimeWindow;
  now: number;
}

export function Endpoints({ params, window, now }: Props) {
  const service = params.get("service");
  const query = { ...windowQuery(window), service, by: "service,method,route" };
  const whole = useAnswer<TimeSeries>(address("metrics/series", { ...query, step: WHOLE }));
  const seconds = windowSeconds(window, now);
  const traces = useAnswer<TimeSeries>(address("metrics/series", { ...query, step: sparkStep(seconds) }));
  if (whole.refused) {
    return <RefusedNotice refused={whole.refused} />;
  }
  const order = orderOf(params.get("sort"), "-rate");
  const words = (params.get("filter") ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  const served = (whole.value?.groups ?? []).map(endpointOf).filter((each) => each.count > 0);
  const all = service === null ? watched(served, (each) => each.service) : served;
  const found = all.filter((each) => matches(each, words));
  const shown = sorted(found, order, KEYS[order.column] ?? ((each) => each.count)).slice(0, SHOWN);
  const { from, to } = bounds(window, now);
  const steps = traces.value && stepsOf(traces.value, from, to);
  const byName = new Map(traces.value?.groups.map((group) => [nameOf(group.labels), group]));
  return (
    <section class="panel" aria-labelledby="endpoints-title">
      <header class="panel-head">
        <h1 id="endpoints-title">Endpoints</h1>
        <span class="hint">{found.length === all.length ? all.length : `${found.length} of ${all.length}`}</span>
        <SearchField name="filter" value={params.get("filter") ?? ""} placeholder="Filter" label="Filter endpoints" />
      </header>
      <div class="scroll">
        <table class="rows">
          <thead>
            <tr>
              <ColumnHead name="Service" column="service" order={order} class="service" />
              <ColumnHead name="Route" column="route" order={order} />
              <ColumnHead name="Requests" column="rate" order={order} isNumber />
              <th scope="col" class="wide"><span class="hidden">Traffic over time</span></th>
              <ColumnHead name="Errors" column="errors" order={order} isNumber />
              <ColumnHead name="p50" column="p50" order={order} isNumber class="spare" />
              <ColumnHead name="p95" column="p95" order={order} isNumber />
              <th scope="col" class="wide"><span class="hidden">p95 over time</span></th>
              <ColumnHead name="p99" column="p99" order={order} isNumber class="spare" />
              <ColumnHead name="Max" column="max" order={order} isNumber class="spare" />
            </tr>
          </thead>
          <tbody>
            {shown.map((each) => {
              const over = byName.get(each.name);
              const to = withChanges({ service: each.service, method: each.method, route: each.route, filter: null, sort: null });
              const share = each.errors / each.count;
              return (
                <tr key={each.name} class="goes">
                  <td class="service"><bdi>{each.service}</bdi></td>
                  <th scope="row"><Link params={to}><span class="method">{each.method}</span><code><bdi>{each.route}</bdi></code></Link><bdi class="narrow">{each.service}</bdi></th>
                  <td class="n">{rate(each.count / seconds)}</td>
                  <td class="wide">{steps && over && <Sparkline values={rates(over.count, steps)} label={`Traffic of ${each.route}`} />}</td>
                  <td class={`n ${tone(share)}`}>{percent(share)}</td>
                  <Latency value={each.p50} isSpare />
                  <Latency value={each.p95} />
                  <td class="wide">{steps && over && <Sparkline values={over.p95_ms} color="--quiet" label={`p95 of ${each.route}`} />}</td>
                  <Latency value={each.p99} isSpare />
                  <Latency value={each.max} isSpare />
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
      {whole.value && found.length === 0 && <Empty>{all.length === 0 ? "No request in this time." : "No endpoint has these words."}</Empty>}
      {found.length > SHOWN && <Empty>{found.length - SHOWN} more; filter to see them.</Empty>}
    </section>
  );
}

function Latency({ value, isSpare = false }: { value: number | null; isSpare?: boolean }) {
  return <td class={isSpare ? "n spare" : "n"}>{value === null ? "–" : latency(value)}</td>;
}

/** How bad a share of errors is. */
export function tone(share: number): string {
  return share >= 0.05 ? "bad" : share >= 0.01 ? "warn" : share > 0 ? "" : "none";
}
