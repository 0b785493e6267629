/** What each deployment did: its service before against after, with a verdict in words. */

import { Distribution } from "../charts/distribution.tsx";
import { Link, toView, withChanges } from "../parts/link.tsx";
import { LookBack } from "../parts/look-back.tsx";
import { Empty, RefusedNotice } from "../parts/notice.tsx";
import { useAnswer } from "../state/answers.ts";
import { type TimeWindow, between } from "../state/time-window.ts";
import { address } from "../wire/ask.ts";
import type { Change, Deploy, Period } from "../wire/shapes.ts";
import { change, duration, latency, moment, percent, rate } from "../words/format.ts";

const LIMIT = 20;
const COMPARED = ["15m", "30m", "1h", "6h"];
const STATES = { better: "Better", same: "No change", worse: "Worse", too_few: "Too few requests" };
const TONES = { better: "good", same: "quiet", worse: "bad", too_few: "quiet" };
const CHANGES: Record<Change, string> = { more_errors: "more errors", fewer_errors: "fewer errors", slower: "slower", faster: "faster" };

interface Props {
  params: URLSearchParams;
  window: TimeWindow;
  now: number;
}

export function Deploys({ params, window, now }: Props) {
  const compared = params.get("compare") ?? "30m";
  const { last, since, until } = window;
  const asOf = window.asOf === null ? {} : { last: null, until: until ?? window.asOf };
  const { value, refused } = useAnswer<Deploy[]>(
    address("deploys", { service: params.get("service"), last, since, until, ...asOf, limit: LIMIT, window: compared }),
  );
  return (
    <>
      <section class="headline" aria-labelledby="deploys-title">
        <h1 id="deploys-title">Deploys</h1>
        <div class="segments" role="group" aria-label="Compared before and after">
          <span class="hint">Before and after</span>
          {COMPARED.map((each) => (
            <Link key={each} class={each === compared ? "segment is-chosen" : "segment"} params={withChanges({ compare: each })}>{each.replace("m", " min").replace("h", " h")}</Link>
          ))}
        </div>
      </section>
      {refused && <RefusedNotice refused={refused} />}
      {value?.map((deploy) => <Card key={deploy.event.id} deploy={deploy} now={now} />)}
      {value?.length === 0 && (
        <section class="panel"><Empty>No deploy in this time. Send an <Link params={toView("events")}>event</Link> of the type DEPLOY when you release, and its before and after stand here.</Empty></section>
      )}
      <LookBack window={window} />
    </>
  );
}

function Card({ deploy, now }: { deploy: Deploy; now: number }) {
  const { event, before, after } = deploy;
  const at = Date.parse(event.ts);
  const around = between(Date.parse(before.since), Date.parse(after.until));
  return (
    <article class="panel deploy" aria-labelledby={`deploy-${event.id}`}>
      <header class="deploy-head">
        <span class={`verdict tone-${TONES[deploy.state]}`}>{STATES[deploy.state]}</span>
        <h2 id={`deploy-${event.id}`}><bdi>{event.message}</bdi></h2>
        <span class="hint"><bdi>{event.service}</bdi> · <time dateTime={event.ts} title={event.ts}>{moment(at, now)}</time></span>
        <Link params={toView("overview", { service: event.service, ...around })}>Charts around it</Link>
      </header>
      <p class="deploy-verdict">{sentence(deploy.verdict)}</p>
      <div class="deploy-body">
        <Compared before={before} after={after} />
        <Distribution latency={deploy.latency} />
      </div>
      {deploy.routes.length > 0 && <Routes deploy={deploy} around={around} />}
    </article>
  );
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

type Traffic = Omit<Period, "since" | "until">;

const FIGURES: [string, (traffic: Traffic) => number | null, (value: number) => string, boolean][] = [
  ["Requests", (t) => t.rate, rate, false],
  ["Errors", (t) => t.error_rate, percent, true],
  ["p50", (t) => t.p50_ms, latency, true],
  ["p95", (t) => t.p95_ms, latency, true],
  ["p99", (t) => t.p99_ms, latency, true],
];

function Compared({ before, after }: { before: Period; after: Period }) {
  const length = (period: Period): string =>
    duration((Date.parse(period.until) - Date.parse(period.since)) / 1_000).split(" ")[0] ?? "";
  return (
    <table class="rows compared">
      <thead>
        <tr><th scope="col"><span class="hidden">Figure</span></th><th scope="col" class="n">{length(before)} before</th><th scope="col" class="n">{length(after)} after</th><th scope="col" class="n">Change</th></tr>
      </thead>
      <tbody>
        {FIGURES.map(([name, of, format]) => {
          const [was, is] = [of(before), of(after)];
          return (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td class="n">{was === null ? "–" : format(was)}</td>
              <td class="n">{is === null ? "–" : format(is)}</td>
              <td class="n quiet">{was === null || is === null ? "" : change(is, was)}</td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

function Routes({ deploy, around }: { deploy: Deploy; around: Record<string, string | null> }) {
  return (
    <div class="scroll">
      <table class="rows">
        <thead><tr><th scope="col">Changed routes</th><th scope="col">What</th><th scope="col" class="n">Errors</th><th scope="col" class="n">p50</th><th scope="col" class="n">p95</th></tr></thead>
        <tbody>
          {deploy.routes.map((route) => (
            <tr key={`${route.method} ${route.route}`} class="goes">
              <th scope="row"><Link params={toView("endpoints", { service: deploy.event.service, method: route.method, route: route.route, ...around })}><span class="method">{route.method}</span><code><bdi>{route.route}</bdi></code></Link></th>
              <td>{route.changes.map((each) => CHANGES[each]).join(", ")}</td>
              <td class="n">{pair(route.before.error_rate, route.after.error_rate, percent)}</td>
              <td class="n">{pair(route.before.p50_ms, route.after.p50_ms, latency)}</td>
              <td class="n">{pair(route.before.p95_ms, route.after.p95_ms, latency)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function pair(before: number | null, after: number | null, format: (value: number) => string) {
  const said = (value: number | null): string => (value === null ? "–" : format(value));
  return <><span class="quiet">{said(before)} →</span> {said(after)}</>;
}
