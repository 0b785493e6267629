/** One route: its charts, its answers by status code, and what happened in the same minutes. */

import { useMemo } from "preact/hooks";
import { RequestCharts, type Whole } from "../charts/request-charts.tsx";
import { Link, toView, withChanges } from "../parts/link.tsx";
import { Empty } from "../parts/notice.tsx";
import { useAnswer } from "../state/answers.ts";
import { type TimeWindow, between, bounds, iso, windowQuery, windowSeconds } from "../state/time-window.ts";
import { address } from "../wire/ask.ts";
import type { ErrorGroup, MetricsRow, MetricsSnapshot, OpsEvent, Points, SeriesGroup, SlowSample, TimeSeries } from "../wire/shapes.ts";
import { ago, count, latency, moment, percent, rate } from "../words/format.ts";
import { State } from "./errors.tsx";
import { EventLine } from "./event-line.tsx";
import { WHOLE } from "./steps.ts";

const NONE: string[] = [];
const NO_SERVICES = new Map();
const EVENTS = 20;
const SLOWEST = 8;
const ERRORS = 5;
const AROUND_MS = 60_000;
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
  const ofWindow = useMemo(() => wholeOf(group), [group]);
  const sum = (values: number[] | undefined) => (values ?? []).reduce((a, b) => a + b, 0);
  const requests = sum(group?.count);
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
      <RequestCharts selection={selection} services={NONE} whole={ofWindow} window={window} now={now} />
      <div class="columns">
        <div class="stack">
          <Codes rows={codes.value?.requests ?? []} />
          <Slowest selection={selection} window={window} now={now} />
          <ItsErrors service={service} route={route} now={now} />
        </div>
        <SameMinutes service={service} window={window} now={now} />
      </div>
    </>
  );
}

function last(values: Points | undefined): number | null {
  return values?.findLast((value) => value !== null) ?? null;
}

function wholeOf(group: SeriesGroup | undefined): Whole {
  const all = group && { p50_ms: last(group.p50_ms), p95_ms: last(group.p95_ms), p99_ms: last(group.p99_ms) };
  return { all, byService: NO_SERVICES };
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

interface Selected {
  service: string | null;
  method?: string | null;
  route: string;
}

function Slowest({ selection, window, now }: { selection: Selected; window: TimeWindow; now: number }) {
  const { last, since, until } = window;
  const asOf = window.asOf === null ? {} : { last: null, until: until ?? window.asOf };
  const { value } = useAnswer<SlowSample[]>(address("samples/slowest", { ...selection, last, since, until, ...asOf, limit: SLOWEST }));
  return (
    <section class="panel" aria-labelledby="slowest-title">
      <header class="panel-head"><h2 id="slowest-title">Slowest requests</h2></header>
      <table class="rows">
        <thead><tr><th scope="col">Ended</th><th scope="col">Code</th><th scope="col" class="n">Took</th></tr></thead>
        <tbody>
          {value?.map((sample, i) => {
            const at = Date.parse(sample.ts);
            return (
              <tr key={`${sample.ts} ${i}`} class="goes">
                <th scope="row"><Link params={withChanges(between(at - AROUND_MS, at + AROUND_MS))}>{moment(at, now, true)}</Link></th>
                <td><i class={`status status-${Math.floor(sample.status_code / 100)}`} />{sample.status_code}</td>
                <td class="n">{latency(sample.latency_ms)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
      {value?.length === 0 && <Empty>No request of this time is kept.</Empty>}
    </section>
  );
}

function ItsErrors({ service, route, now }: { service: string | null; route: string; now: number }) {
  const { value } = useAnswer<ErrorGroup[]>(address("errors", { service, route, limit: ERRORS }));
  if (value === undefined || value.length === 0) {
    return null;
  }
  return (
    <section class="panel" aria-labelledby="its-errors-title">
      <header class="panel-head"><h2 id="its-errors-title">Its errors</h2></header>
      <table class="rows">
        <tbody>
          {value.map((group) => (
            <tr key={group.fingerprint} class="goes">
              <th scope="row"><Link params={toView("errors", { error: group.fingerprint })}><bdi>{group.type}</bdi></Link></th>
              <td><State group={group} /></td>
              <td class="n quiet">{ago(Date.parse(group.last_seen), now)}</td>
              <td class="n">{count(group.count)}</td>
            </tr>
          ))}
        </tbody>
      </table>
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
