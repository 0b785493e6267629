/** How the services are, at a glance: what is wrong, since when, and where. */

import { RequestCharts } from "../charts/request-charts.tsx";
import { Link, toView } from "../parts/link.tsx";
import { Empty, RefusedNotice } from "../parts/notice.tsx";
import { useAnswer } from "../state/answers.ts";
import { useCell } from "../state/cell.ts";
import { useFeed } from "../state/feed.ts";
import { session } from "../state/session.ts";
import { type TimeWindow, isLive, windowQuery } from "../state/time-window.ts";
import { address } from "../wire/ask.ts";
import type { KnownService, MetricsSnapshot, OpsEvent, OverviewAnswer, TimeSeries } from "../wire/shapes.ts";
import { EventLine } from "./event-line.tsx";
import { Headline } from "./headline.tsx";
import { OWN_SERVICE, watched } from "./own.ts";
import { Services } from "./services.tsx";
import { Welcome } from "./welcome.tsx";

const NEWEST = 8;

interface Props {
  service: string | null;
  window: TimeWindow;
  now: number;
}

export function Overview({ service, window, now }: Props) {
  const query = { ...windowQuery(window), service };
  const overview = useAnswer<OverviewAnswer>(address("overview", query));
  const told = useAnswer<TimeSeries>(address("metrics/series", { ...query, by: "service" }));
  const known = useAnswer<KnownService[]>("services");
  const uptime = useAnswer<MetricsSnapshot>(address("metrics", { route: "/", last: "1m" }));
  const { events } = useFeed({ service }, isLive(window) ? null : window);
  const rights = useCell(session);
  if (overview.refused) {
    return <RefusedNotice refused={overview.refused} />;
  }
  if (events?.length === 0 && known.value?.every((each) => each.service === OWN_SERVICE)) {
    return <Welcome writesOpen={rights?.writes_open ?? true} />;
  }
  const answer = overview.value;
  const services = watched(answer?.services ?? [], (each) => each.service);
  return (
    <>
      {answer && <Headline answer={answer} services={services} uptime={uptime.value?.uptime_seconds} />}
      {answer && services.length > 0 && <Services services={services} attention={answer.attention} series={told.value} window={window} now={now} />}
      <RequestCharts selection={{ service }} services={services.map((each) => each.service)} window={window} now={now} />
      <Newest events={events} now={now} />
    </>
  );
}

function Newest({ events, now }: { events: OpsEvent[] | undefined; now: number }) {
  return (
    <section class="panel" aria-label="Newest events">
      <header class="panel-head"><h2>Newest events</h2><Link params={toView("events")}>All events</Link></header>
      <ol class="events">
        {events?.slice(0, NEWEST).map((event) => <li key={event.id}><EventLine event={event} now={now} /></li>)}
      </ol>
      {events?.length === 0 && <Empty>Nobody said anything yet.</Empty>}
    </section>
  );
}
