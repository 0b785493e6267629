/** How the services are, at a glance: what is wrong, since when, and where. */

import { useMemo } from "preact/hooks";
import { RequestCharts, type Whole } from "../charts/request-charts.tsx";
import { Link, toView } from "../parts/link.tsx";
import { Empty, RefusedNotice } from "../parts/notice.tsx";
import { useAnswer } from "../state/answers.ts";
import { useCell } from "../state/cell.ts";
import { useFeed } from "../state/feed.ts";
import { session } from "../state/session.ts";
import { type TimeWindow, isLive, windowQuery, windowSeconds } from "../state/time-window.ts";
import { address } from "../wire/ask.ts";
import type { KnownService, MetricsSnapshot, OpsEvent, OverviewAnswer, ServiceOverview, TimeSeries } from "../wire/shapes.ts";
import { EventLine } from "./event-line.tsx";
import { Headline } from "./headline.tsx";
import { OWN_SERVICE, watched } from "./own.ts";
import { Services } from "./services.tsx";
import { sparkStep } from "./steps.ts";
import { Welcome } from "./welcome.tsx";

const NEWEST = 8;
/** The answer with the least rows, of which only the uptime counts. */
const UPTIME = "metrics?route=%2F&last=1m";

interface Props {
  service: string | null;
  window: TimeWindow;
  now: number;
}

/** The question whose answer stands at the top of the view. */
export function overviewPath(window: TimeWindow, service: string | null): string {
  return address("overview", { ...windowQuery(window), service });
}

export function Overview({ service, window, now }: Props) {
  const query = { ...windowQuery(window), service };
  const overview = useAnswer<OverviewAnswer>(overviewPath(window, service));
  // What is read first is asked first: the rest would only slow it down.
  const sparked = { ...query, by: "service", step: sparkStep(windowSeconds(window, now)) };
  const sparks = useAnswer<TimeSeries>(overview.value ? address("metrics/series", sparked) : null);
  const known = useAnswer<KnownService[]>("services", overview.value?.services.every((each) => each.service === OWN_SERVICE) ? "each beat" : "once");
  const uptime = useAnswer<MetricsSnapshot>(UPTIME, "once");
  const started = useMemo(
    () => uptime.value && Date.now() - uptime.value.uptime_seconds * 1_000,
    [uptime.value],
  );
  const { events } = useFeed({ service }, isLive(window) ? null : window);
  const rights = useCell(session);
  const answer = overview.value;
  const services = useMemo(() => watched(answer?.services ?? [], (each) => each.service), [answer]);
  const whole = useMemo(() => wholeOf(answer, services, service), [answer, services, service]);
  if (overview.refused) {
    return <RefusedNotice refused={overview.refused} />;
  }
  if (events?.length === 0 && known.value?.every((each) => each.service === OWN_SERVICE)) {
    return <Welcome writesOpen={rights?.writes_open ?? true} />;
  }
  if (answer === undefined) {
    return <div class="waiting" aria-busy="true" />;
  }
  return (
    <>
      <Headline answer={answer} services={services} started={started} now={now} />
      {services.length > 0 && <Services services={services} attention={answer.attention} series={sparks.value} window={window} now={now} />}
      <RequestCharts selection={{ service }} services={services.map((each) => each.service)} whole={whole} window={window} now={now} />
      <Newest events={events} now={now} />
    </>
  );
}

/** The figures of the whole window, by service where there are several, for the legends. */
function wholeOf(answer: OverviewAnswer | undefined, services: ServiceOverview[], service: string | null): Whole {
  const [only] = services;
  return {
    all: service === null && services.length === 1 && only ? only.now : answer?.now,
    byService: new Map(services.map((each) => [each.service, each.now])),
  };
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
