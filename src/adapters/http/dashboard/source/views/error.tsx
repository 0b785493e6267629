/** One error: its trace, where it occurs, and saying that it is mended. */

import { useState } from "preact/hooks";
import { Bars } from "../charts/bars.tsx";
import { CopyButton } from "../parts/copy-button.tsx";
import { Link, toView } from "../parts/link.tsx";
import { Empty, RefusedNotice } from "../parts/notice.tsx";
import { SignIn } from "../parts/sign-in.tsx";
import { useAnswer } from "../state/answers.ts";
import { useCell } from "../state/cell.ts";
import { beat } from "../state/pulse.ts";
import { send, session } from "../state/session.ts";
import type { ErrorDetails } from "../wire/shapes.ts";
import { ago, clock, count, day } from "../words/format.ts";
import { State } from "./errors.tsx";

const EVENTS_SHOWN = 12;

export function ErrorView({ fingerprint, now }: { fingerprint: string; now: number }) {
  const path = `errors/${encodeURIComponent(fingerprint)}`;
  const { value, refused } = useAnswer<ErrorDetails>(path);
  if (refused) {
    return <RefusedNotice refused={refused} />;
  }
  if (value === undefined) {
    return null;
  }
  const figures: [string, string, string?][] = [
    ["Occurrences", count(value.count)],
    ["Last seen", ago(Date.parse(value.last_seen), now), value.last_seen],
    ["First seen", ago(Date.parse(value.first_seen), now), value.first_seen],
  ];
  return (
    <>
      <section class="headline headline-top" aria-labelledby="error-title">
        <div class="error-title">
          <p class="trail"><Link params={toView("errors")}>Errors</Link></p>
          <h1 id="error-title"><bdi>{value.type}</bdi><State group={value} /></h1>
          <p class="error-message" dir="auto">{value.message}</p>
          <Mended group={value} />
        </div>
        <dl>{figures.map(([name, text, title]) => <div key={name} title={title}><dt>{name}</dt><dd>{text}</dd></div>)}</dl>
      </section>
      <Resolve path={path} group={value} />
      <div class="columns columns-wide">
        <Trace group={value} />
        <div class="stack">
          <section class="panel" aria-labelledby="trend-title">
            <header class="panel-head"><h2 id="trend-title">The last {value.trend.counts.length} hours</h2></header>
            <div class="trend"><Bars values={value.trend.counts} label={`${value.trend.counts.reduce((a, b) => a + b, 0)} occurrences`} /></div>
          </section>
          <Where group={value} />
          <Occurrences ids={value.events} />
        </div>
      </div>
    </>
  );
}

function Mended({ group }: { group: ErrorDetails }) {
  const said = group.state === "resolved" ? group.resolved : group.state === "reopened" ? group.reopened : null;
  if (said === null) {
    return null;
  }
  const at = Date.parse(said.at);
  return (
    <p class="hint">{group.state === "resolved" ? "Resolved" : "Reopened"} {day(at)} {clock(at)}
      {said.by ? <> by <bdi>{said.by}</bdi></> : group.state === "reopened" ? ": it occurred again" : ""}
      {said.note && <>: <bdi>{said.note}</bdi></>}</p>
  );
}

/** Resolving is a write: it wants a session of the API token, which is asked for when it lacks. */
function Resolve({ path, group }: { path: string; group: ErrorDetails }) {
  const rights = useCell(session);
  const [isAsked, setIsAsked] = useState(false);
  const [note, setNote] = useState("");
  const [problem, setProblem] = useState("");
  const isResolved = group.state === "resolved";
  const act = (): void => {
    send("POST", `${path}/${isResolved ? "reopen" : "resolve"}`, note ? { note } : {}).then(
      () => {
        setNote("");
        setProblem("");
        beat();
      },
      (error: unknown) => setProblem(error instanceof Error ? error.message : String(error)),
    );
  };
  if (group.fingerprint === "(other)" || rights?.writes_open === false) {
    return null;
  }
  return (
    <section class="panel resolve" aria-label="Resolve">
      <form onSubmit={(event) => {
        event.preventDefault();
        if (rights?.may_write) {
          act();
        } else {
          setIsAsked(true);
        }
      }}>
        <input type="text" value={note} maxLength={500} placeholder="Note, such as the release that mends it" aria-label="Note" onInput={(event) => setNote(event.currentTarget.value)} />
        <button type="submit" class="control primary">{isResolved ? "Reopen" : "Resolve"}</button>
        <span class="hint">It reopens by itself when it occurs again.</span>
      </form>
      {problem && <p class="problem" role="alert">{problem}</p>}
      {isAsked && !rights?.may_write && (
        <SignIn title="Sign in to write" text="Resolving needs the API token." onDone={() => {
          setIsAsked(false);
          act();
        }} />
      )}
    </section>
  );
}

function Trace({ group }: { group: ErrorDetails }) {
  const { sample } = group;
  const trace = sample?.stacktrace ?? "";
  return (
    <section class="panel" aria-labelledby="trace-title">
      <header class="panel-head">
        <h2 id="trace-title">Newest trace</h2>
        {sample?.trace_id && <span class="hint">trace <code>{sample.trace_id}</code></span>}
        {trace && <span class="push"><CopyButton text={() => trace}>Copy</CopyButton></span>}
      </header>
      {trace ? <pre class="trace" tabIndex={0} aria-label="Stack trace">{trace}</pre> : <Empty>The newest occurrence came without a stack trace.</Empty>}
    </section>
  );
}

function Where({ group }: { group: ErrorDetails }) {
  return (
    <section class="panel" aria-labelledby="where-title">
      <header class="panel-head"><h2 id="where-title">Where</h2></header>
      <table class="rows">
        <tbody>
          {group.routes.map((each) => (
            <tr key={`${each.service} ${each.route}`} class="goes">
              <th scope="row"><Link params={toView("endpoints", { service: each.service, filter: each.route })}><bdi>{each.service}</bdi> <code><bdi>{each.route}</bdi></code></Link></th>
              <td class="n">{count(each.count)}</td>
            </tr>
          ))}
          {group.routes.length === 0 && Object.entries(group.services).map(([service, times]) => (
            <tr key={service}><th scope="row"><bdi>{service}</bdi></th><td class="n">{count(times)}</td></tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Occurrences({ ids }: { ids: number[] }) {
  return (
    <section class="panel" aria-labelledby="occurrences-title">
      <header class="panel-head"><h2 id="occurrences-title">Newest occurrences</h2></header>
      <p class="ids">{ids.slice(0, EVENTS_SHOWN).map((id) => <a key={id} href={`events/${id}`}>#{id}</a>)}</p>
    </section>
  );
}
