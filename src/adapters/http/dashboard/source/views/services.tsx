/** A row for each service: how it is, against the same time one window earlier. */

import { endOf, errorRatios, rates, stepsOf } from "../charts/points.ts";
import { Sparkline } from "../charts/sparkline.tsx";
import { Link, withChanges } from "../parts/link.tsx";
import { type TimeWindow, bounds } from "../state/time-window.ts";
import type { Finding, Points, ServiceOverview, TimeSeries } from "../wire/shapes.ts";
import { change, latency, percent, rate } from "../words/format.ts";

const STATES = {
  ok: ["good", "ok"],
  failing: ["bad", "failing"],
  quiet: ["", "quiet"],
  gone: ["bad", "gone"],
} as const;

/** A single error among many requests is no mountain. */
const LEAST_ERRORS = 0.02;

interface Props {
  services: ServiceOverview[];
  attention: Finding[];
  series: TimeSeries | undefined;
  window: TimeWindow;
  now: number;
}

export function Services({ services, attention, series, window, now }: Props) {
  const { from, to } = bounds(window, series === undefined ? now : endOf(series, now));
  const steps = series && stepsOf(series, from, to);
  return (
    <section class="panel" aria-label="Services">
      <table class="rows">
        <thead>
          <tr>
            <th scope="col">Service</th>
            <th scope="col" class="n">Requests</th>
            <th scope="col" class="wide"><span class="hidden">Traffic over time</span></th>
            <th scope="col" class="n">Errors</th>
            <th scope="col" class="wide"><span class="hidden">Errors over time</span></th>
            <th scope="col" class="n">p95</th>
            <th scope="col" class="wide"><span class="hidden">p95 over time</span></th>
          </tr>
        </thead>
        <tbody>
          {services.map((each) => {
            const over = series?.groups.find((group) => group.labels["service"] === each.service);
            const kinds = new Set(attention.filter((found) => found.service === each.service).map((found) => found.kind));
            const [tone, name] = STATES[each.state];
            const line = (values: Points | undefined, color: string, label: string, atLeast = 0) => (
              <td class="wide">{values && <Sparkline values={values} color={color} atLeast={atLeast} label={`${label} of ${each.service}`} />}</td>
            );
            return (
              <tr key={each.service} class="goes">
                <th scope="row">
                  <i class={`state state-${tone}`} /><span class="hidden">{name}: </span>
                  <Link params={withChanges({ service: each.service })}><bdi>{each.service}</bdi></Link>
                </th>
                <Figure now={each.now.rate} before={each.before.rate} format={rate} isBad={kinds.has("traffic_gone")} />
                {line(steps && over && rates(over.count, steps), "--accent", "Traffic")}
                <Figure now={each.now.error_rate} before={each.before.error_rate} format={percent} isBad={kinds.has("errors_up") || kinds.has("failing")} />
                {line(over && errorRatios(over.errors, over.count), "--bad", "Errors", LEAST_ERRORS)}
                <Figure now={each.now.p95_ms} before={each.before.p95_ms} format={latency} isBad={kinds.has("latency_up")} />
                {line(over?.p95_ms, "--quiet", "p95")}
              </tr>
            );
          })}
        </tbody>
      </table>
    </section>
  );
}

interface FigureProps {
  now: number | null;
  before: number | null;
  format: (value: number) => string;
  isBad: boolean;
}

function Figure({ now, before, format, isBad }: FigureProps) {
  const was = before === null ? "no request before" : `before: ${format(before)}`;
  return (
    <td class="n" title={was}>
      <span class={isBad ? "figure bad" : "figure"}>{now === null ? "–" : format(now)}</span>
      <small class={isBad ? "change bad" : "change"}>{now === null || before === null ? "" : change(now, before)}</small>
    </td>
  );
}
