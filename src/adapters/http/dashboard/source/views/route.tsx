/** One route: its charts, its answers by status code, and what happened in the same minutes. */

import { RequestCharts } from "../charts/request-charts.tsx";
import { Link, toView } from "../parts/link.tsx";
import { Empty } from "../parts/notice.tsx";
import { useAnswer } from "../state/answers.ts";
import { type TimeWindow, bounds, iso, windowQuery, windowSeconds } from "../state/time-window.ts";
import { address } from "../wire/ask.ts";
import type { MetricsRow, MetricsSnapshot, OpsEvent, TimeSeries } from "../wire/shapes.ts";
import { count, latency, percent, rate } from "../words/format.ts";
import { EventLine } from "./event-line.tsx";
import { WHOLE } from "./steps.ts";

const EVENTS = 20;
const MINUTE_MS = 60_000;

interface Props {
  service: string | null;
  method: string | null;
  route: string;
  window: TimeWindow;
  now: number;
}

export function Route({ service, method, route, window, now }: Props) {
  const selection = { service, method, route };
  const query = { ...windowQuery(window), ...selection };
  const whole = useAnswer<TimeSeries>(address("metrics/series", { ...query, step: WHOLE }));
  const codes = useAnswer<MetricsSnapshot>(address("metrics", query));
  const group = whole.value?.groups[0];
  const sum = (values: number[] | undefined) => (values ?? []).reduce((a, b) => a + b, 0);
  const requests = sum(group?.count);
  const last = (values: (number | null)[] | undefined) => values?.findLast((v) => v !== null) ?? null;
  const figures: [string, string][] = [
    ["Requests", rate(requests / windowSeconds(window, now))],
    ["Errors", percent(sum(group?.errors) / Math.max(1, requests))],
    ...([["p50", group?.p50_ms], ["p95", group?.p95_ms], ["p99", group?.p99_ms], ["Max", group?.max_ms]] as const)
      .map(([name, values]): [string, string] => [name, said(last(values))]),
  ];
  return (
    <>
      <section class="headline" aria-label="Route">
        <div>
          <p class="trail">
            <Link params={toView("endpoints", { service: null })}>Endpoints</Link>
            {service && <> / <Link params={toView("endpoints", { service })}><bdi>{service}</bdi></Link></>}
          </p>
          <h1><span class="method">{method}</span><code><bdi>{route}</bdi></code></h1>
        </div>
        <dl>{figures.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>
      </section>
      <RequestCharts selection={selection} services={[]} window={window} now={now} />
      <div class="columns">
        <Codes rows={codes.value?.requests ?? []} />
        <SameMinutes service={service} window={window} now={now} />
      </div>
    </>
  );
}

function said(value: number | null): string {
  return value === null ? "–" : latency(value);
}

function Codes({ rows }: { rows: MetricsRow[] }) {
  const all = rows.reduce((sum, row) => sum + row.count, 0);
  return (
    <section class="panel" aria-labelledby="codes-title">
      <header class="panel-head"><h2 id="codes-title">Status codes</h2></header>
      <table class="rows">
        <thead><tr><th scope="col">Code</th><th scope="col" class="n">Requests</th><th scope="col" class="n">Share</th><th scope="col" class="n">p50</th><th scope="col" class="n">p95</th></tr></thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.status_code}>
              <th scope="row"><i class={`status status-${Math.floor(row.status_code / 100)}`} />{row.status_code}</th>
              <td class="n">{count(row.count)}</td>
              <td class="n">{percent(row.count / all)}</td>
              <td class="n">{latency(row.p50_ms)}</td>
              <td class="n">{latency(row.p95_ms)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length === 0 && <Empty>No request in this time.</Empty>}
    </section>
  );
}

function SameMinutes({ service, window, now }: { service: string | null; window: TimeWindow; now: number }) {
  const { from, to } = bounds(window, now);
  const since = iso(from - (from % MINUTE_MS));
  const until = window.last === null || window.asOf !== null ? iso(to) : null;
  const { value } = useAnswer<OpsEvent[]>(address("events", { service, since, until, limit: EVENTS }));
  return (
    <section class="panel" aria-labelledby="minutes-title">
      <header class="panel-head"><h2 id="minutes-title">Events of these minutes</h2><Link params={toView("events")}>All events</Link></header>
      <ol class="events events-short">{value?.map((event) => <li key={event.id}><EventLine event={event} now={now} /></li>)}</ol>
      {value?.length === 0 && <Empty>Nobody said anything in this time.</Empty>}
    </section>
  );
}
