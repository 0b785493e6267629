/** The sentence that the page opens with, the totals, and what needs attention first. */

import { Link, toView } from "../parts/link.tsx";
import type { Finding, OverviewAnswer, ServiceOverview } from "../wire/shapes.ts";
import { change, duration, percent, rate } from "../words/format.ts";

interface Props {
  answer: OverviewAnswer;
  services: ServiceOverview[];
  /** When the server started, in ms since 1970, once that is known. */
  started: number | undefined;
  now: number;
}

function sentence(found: number): string {
  return found === 0 ? "All is well" : found === 1 ? "One thing needs attention" : `${found} things need attention`;
}

function sum(services: ServiceOverview[], of: (service: ServiceOverview) => number): number {
  return services.reduce((all, service) => all + of(service), 0);
}

function worst(attention: Finding[]): "good" | "warn" | "bad" {
  if (attention.length === 0) {
    return "good";
  }
  return attention.every((each) => each.kind === "latency_up") ? "warn" : "bad";
}

export function Headline({ answer, services, started, now }: Props) {
  const { attention } = answer;
  const [rateNow, rateBefore] = [sum(services, (s) => s.now.rate), sum(services, (s) => s.before.rate)];
  const share = (of: "now" | "before"): number =>
    sum(services, (s) => s[of].errors) / Math.max(1, sum(services, (s) => s[of].count));
  return (
    <>
      <section class="headline" aria-label="All services">
        <h1><i class={`state state-${worst(attention)}`} />{sentence(attention.length)}</h1>
        <dl>
          <Figure name="Services" value={String(services.length)} />
          <Figure name="Requests" value={rate(rateNow)} change={change(rateNow, rateBefore)} />
          <Figure name="Errors" value={percent(share("now"))} change={change(share("now"), share("before"))} />
          <Figure name="Up" value={started === undefined ? "" : duration((now - started) / 1_000)} />
        </dl>
      </section>
      {attention.length > 0 && (
        <section class="panel" aria-label="Needs attention">
          <ul class="attention">{attention.map((each) => <Item key={`${each.kind} ${each.service} ${each.text}`} finding={each} />)}</ul>
        </section>
      )}
    </>
  );
}

function Figure({ name, value, change: changed = "" }: { name: string; value: string; change?: string }) {
  return <div><dt>{name}</dt><dd>{value}{changed && <small>{changed}</small>}</dd></div>;
}

/** Where one sees more of a finding. */
function placeOf(finding: Finding): URLSearchParams {
  const { service } = finding;
  switch (finding.kind) {
    case "new_error":
      return toView("errors", { error: finding.fingerprint });
    case "errors_up":
    case "failing":
      return toView("endpoints", { service, sort: "-errors" });
    case "latency_up":
      return toView("endpoints", { service, sort: "-p95" });
    case "traffic_gone":
      return toView("overview", { service });
  }
}

const NAMES = { traffic_gone: "Gone", failing: "Failing", errors_up: "Errors", new_error: "New error", latency_up: "Slower" };

function Item({ finding }: { finding: Finding }) {
  return (
    <li class="goes">
      <span class={`verdict tone-${finding.kind === "latency_up" ? "warn" : "bad"}`}>{NAMES[finding.kind]}</span>
      <b><bdi>{finding.service}</bdi></b>
      <Link params={placeOf(finding)}><bdi>{finding.text}</bdi></Link>
      <span class="go" aria-hidden="true">→</span>
    </li>
  );
}
