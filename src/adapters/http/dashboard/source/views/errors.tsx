/** Errors that are the same error, as groups: how often, since when, where, and whether it is mended. */

import { Bars } from "../charts/bars.tsx";
import { Link, withChanges } from "../parts/link.tsx";
import { LookBack } from "../parts/look-back.tsx";
import { Empty, RefusedNotice } from "../parts/notice.tsx";
import { SearchField } from "../parts/search-field.tsx";
import { useAnswer } from "../state/answers.ts";
import { type TimeWindow, windowSeconds } from "../state/time-window.ts";
import { address } from "../wire/ask.ts";
import type { ErrorGroup } from "../wire/shapes.ts";
import { ago, count } from "../words/format.ts";

const STATES = [["open,reopened", "Open"], ["resolved", "Resolved"], ["", "All"]] as const;
const LIMIT = 100;
const DAILY_FROM_SECONDS = 2 * 86_400;

interface Props {
  params: URLSearchParams;
  window: TimeWindow;
  now: number;
}

export function Errors({ params, window, now }: Props) {
  const chosen = params.get("state") ?? "open,reopened";
  const { last, since, until } = window;
  const asOf = window.asOf === null ? {} : { last: null, until: until ?? window.asOf };
  const { value, refused } = useAnswer<ErrorGroup[]>(
    address("errors", {
      service: params.get("service"),
      state: chosen === "all" ? null : chosen,
      q: params.get("q"),
      last, since, until, ...asOf,
      step: windowSeconds(window, now) > DAILY_FROM_SECONDS ? "1d" : "1h",
      limit: LIMIT,
    }),
  );
  return (
    <section class="panel" aria-labelledby="errors-title">
      <header class="panel-head panel-head-wrap">
        <h1 id="errors-title">Errors</h1>
        <SearchField name="q" value={params.get("q") ?? ""} placeholder="Search errors" label="Search errors" />
        <div class="segments" role="group" aria-label="State">
          {STATES.map(([state, name]) => (
            <Link key={name} class={chosen === (state || "all") ? "segment is-chosen" : "segment"} params={withChanges({ state: state === "open,reopened" ? null : state || "all" })}>{name}</Link>
          ))}
        </div>
      </header>
      {refused && <RefusedNotice refused={refused} />}
      <ul class="errors">
        {value?.map((group) => <Group key={group.fingerprint} group={group} now={now} />)}
      </ul>
      {value?.length === 0 && <Empty>No {chosen === "resolved" ? "resolved error" : chosen === "all" ? "error" : "open error"} was seen in this time.</Empty>}
      <LookBack window={window} />
    </section>
  );
}

function Group({ group, now }: { group: ErrorGroup; now: number }) {
  const [route] = group.routes;
  return (
    <li class="goes">
      <div class="error-name">
        <Link params={withChanges({ error: group.fingerprint, q: null, state: null })}><bdi>{group.type}</bdi></Link>
        <State group={group} />
        <p><bdi>{group.message}</bdi></p>
      </div>
      <div class="error-where"><bdi>{Object.keys(group.services).join(", ")}</bdi><code><bdi>{route?.route ?? ""}</bdi></code></div>
      <Bars values={group.trend.counts} label={`${group.trend.counts.reduce((a, b) => a + b, 0)} lately`} />
      <b class="n">{count(group.count)}</b>
      <div class="error-seen"><span>{ago(Date.parse(group.last_seen), now)}</span><span class="quiet">first {ago(Date.parse(group.first_seen), now)}</span></div>
    </li>
  );
}

export function State({ group }: { group: ErrorGroup }) {
  const tone = group.state === "resolved" ? "good" : group.state === "reopened" ? "warn" : "bad";
  return <span class={`verdict tone-${tone}`}>{group.state}</span>;
}
