/** How the services are, at a glance: what is wrong, since when, and where. */

import { RequestCharts } from "../charts/request-charts.tsx";
import { stepsOf, total, endOf, rates } from "../charts/points.ts";
import { Sparkline } from "../charts/sparkline.tsx";
import { Link, toView, withChanges } from "../parts/link.tsx";
import { RefusedNotice } from "../parts/notice.tsx";
import { useAnswer } from "../state/answers.ts";
import { useCell } from "../state/cell.ts";
import { useFeed } from "../state/feed.ts";
import { session } from "../state/session.ts";
import { type TimeWindow, bounds, isLive, windowQuery, windowSeconds } from "../state/time-window.ts";
import { address } from "../wire/ask.ts";
import type { KnownService, MetricsSnapshot, OpsEvent, SeriesGroup, TimeSeries } from "../wire/shapes.ts";
import { duration, latency, percent, rate } from "../words/format.ts";
import { EventLine } from "./event-line.tsx";
import { OWN_SERVICE, watched } from "./own.ts";
import { WHOLE } from "./steps.ts";
import { Welcome } from "./welcome.tsx";

const NEWEST = 8;

interface Props {
  service: string | null;
  window: TimeWindow;
  now: number;
}

export function Overview({ service, window, now }: Props) {
  const query = { ...windowQuery(window), by: "service" };
  const whole = useAnswer<TimeSeries>(address("metrics/series", { ...query, step: WHOLE }));
  const told = useAnswer<TimeSeries>(address("metrics/series", query));
  const known = useAnswer<KnownService[]>("services");
  const rights = useCell(session);
  const { events } = useFeed({ service }, isLive(window) ? null : window);
  const uptime = useAnswer<MetricsSnapshot>(address("metrics", { route: "/", last: "1m" }));
  if (whole.refused) {
    return <RefusedNotice refused={whole.refused} />;
  }
  if (events?.length === 0 && known.value?.every((each) => each.service === OWN_SERVICE)) {
    return <Welcome writesOpen={rights?.writes_open ?? true} />;
  }
  const groups = watched(whole.value?.groups ?? [], serviceOf);
  const shown = service === null ? groups : groups.filter((group) => serviceOf(group) === service);
  return (
    <>
      <Headline groups={shown} seconds={windowSeconds(window, now)} uptime={uptime.value?.uptime_seconds} />
      {shown.length > 0 && <Services groups={shown} series={told.value} window={window} now={now} />}
      <RequestCharts selection={{ service }} services={groups.map(serviceOf)} window={window} now={now} />
      <Newest events={events ?? []} now={now} />
    </>
  );
}

function serviceOf(group: SeriesGroup): string {
  return group.labels["service"] ?? "";
}

function Headline({ groups, seconds, uptime }: { groups: SeriesGroup[]; seconds: number; uptime: number | undefined }) {
  const counts = groups.reduce((sum, group) => sum + total(group.count), 0);
  const errors = groups.reduce((sum, group) => sum + total(group.errors), 0);
  return (
    <section class="headline" aria-label="All services">
      <h1><i class="state state-good" />All is well</h1>
      <dl>
        <div><dt>Services</dt><dd>{groups.length}</dd></div>
        <div><dt>Requests</dt><dd>{rate(counts / seconds)}</dd></div>
        <div><dt>Errors</dt><dd>{percent(errors / Math.max(1, counts))}</dd></div>
        <div><dt>Up</dt><dd>{uptime === undefined ? "" : duration(uptime)}</dd></div>
      </dl>
    </section>
  );
}

function Services({ groups, series, window, now }: { groups: SeriesGroup[]; series: TimeSeries | undefined; window: TimeWindow; now: number }) {
  const seconds = windowSeconds(window, now);
  return (
    <section class="panel" aria-label="Services">
      <table class="rows">
        <thead>
          <tr><th scope="col">Service</th><th scope="col" class="n">Requests</th><th scope="col" class="n">Errors</th><th scope="col" class="n">p95</th><th scope="col" class="wide">Traffic</th></tr>
        </thead>
        <tbody>
          {groups.map((group) => {
            const name = serviceOf(group);
            const count = total(group.count);
            const p95 = group.p95_ms.findLast((value) => value !== null) ?? null;
            const over = series?.groups.find((each) => serviceOf(each) === name);
            const { from, to } = bounds(window, series ? endOf(series, now) : now);
            return (
              <tr key={name}>
                <th scope="row"><Link params={withChanges({ service: name })}><bdi>{name}</bdi></Link></th>
                <td class="n">{rate(count / seconds)}</td>
                <td class="n">{percent(total(group.errors) / Math.max(1, count))}</td>
                <td class="n">{p95 === null ? "–" : latency(p95)}</td>
                <td class="wide">{series && over && <Sparkline values={rates(over.count, stepsOf(series, from, to))} label={`Traffic of ${name}`} />}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </section>
  );
}

function Newest({ events, now }: { events: OpsEvent[]; now: number }) {
  return (
    <section class="panel" aria-label="Newest events">
      <header class="panel-head"><h2>Newest events</h2><Link params={toView("events")}>All events</Link></header>
      <ol class="events">
        {events.slice(0, NEWEST).map((event) => <li key={event.id}><EventLine event={event} now={now} /></li>)}
      </ol>
    </section>
  );
}
