/** The page: the bar, and the view that the URL names. */

import { useEffect, useMemo, useState } from "preact/hooks";
import { Header } from "./parts/header.tsx";
import { Help } from "./parts/help.tsx";
import { toView } from "./parts/link.tsx";
import { refreshOf } from "./parts/refresh-picker.tsx";
import { SignIn } from "./parts/sign-in.tsx";
import { choose } from "./parts/window-picker.tsx";
import { useCell } from "./state/cell.ts";
import { isReachable, took } from "./state/connection.ts";
import { useKeys } from "./state/keyboard.ts";
import { type View, go, here, usePlace, viewOf } from "./state/place.ts";
import { beat, useBeat, usePulse } from "./state/pulse.ts";
import { isSignedOut, learnSession } from "./state/session.ts";
import { chooseTheme, nextTheme, theme } from "./state/theme.ts";
import { type TimeWindow, isLive, refreshSeconds, scaled, shifted, windowOf } from "./state/time-window.ts";
import { Deploys } from "./views/deploys.tsx";
import { Endpoints } from "./views/endpoints.tsx";
import { ErrorView } from "./views/error.tsx";
import { Errors } from "./views/errors.tsx";
import { Events } from "./views/events.tsx";
import { Overview } from "./views/overview.tsx";
import { Route } from "./views/route.tsx";

export function App() {
  const params = usePlace();
  const view = viewOf(params);
  const window = useMemo(() => windowOf(params), [params]);
  const isOut = useCell(isSignedOut);
  const [isHelp, setIsHelp] = useState(false);
  useBeat();
  const now = Date.now();
  usePulse(isLive(window) ? refreshOf(params.get("refresh"), refreshSeconds(window, now)) : null);
  useKeys(useMemo(() => actions(() => setIsHelp(true)), []));
  useEffect(() => void learnSession().catch(took), []);
  useEffect(() => {
    document.title = `${params.get("service") ?? view} · opsboard`;
  }, [params]);
  return (
    <>
      <Header now={now} onHelp={() => setIsHelp(true)} />
      <Lost />
      <main id="main" tabIndex={-1}>
        {isOut
          ? <SignIn title="Sign in" text="This server wants a token to read: OPS_READ_TOKEN, or OPS_API_TOKEN to write too." />
          : <Shown view={view} params={params} window={window} now={now} />}
      </main>
      {isHelp && <Help onClose={() => setIsHelp(false)} />}
    </>
  );
}

interface ShownProps {
  view: View;
  params: URLSearchParams;
  window: TimeWindow;
  now: number;
}

function Shown({ view, params, window, now }: ShownProps) {
  const service = params.get("service");
  const route = params.get("route");
  const error = params.get("error");
  switch (view) {
    case "endpoints":
      return route === null
        ? <Endpoints params={params} window={window} now={now} />
        : <Route service={service} method={params.get("method")} route={route} window={window} now={now} />;
    case "errors":
      return error === null
        ? <Errors params={params} window={window} now={now} />
        : <ErrorView fingerprint={error} now={now} />;
    case "deploys":
      return <Deploys params={params} window={window} now={now} />;
    case "events":
      return <Events params={params} window={window} now={now} />;
    default:
      return <Overview service={service} window={window} now={now} />;
  }
}

function Lost() {
  const reachable = useCell(isReachable);
  return (
    <div class="lost" role="status">
      {!reachable && <p>The server does not answer. What is shown is from before; trying again …</p>}
    </div>
  );
}

function actions(help: () => void): Record<string, () => void> {
  const to = (view: View) => () => go(toView(view));
  return {
    "?": help,
    "/": search,
    "g o": to("overview"),
    "g p": to("endpoints"),
    "g e": to("events"),
    "g r": to("errors"),
    "g d": to("deploys"),
    "[": () => choose(shifted(windowOf(here()), -0.5, Date.now())),
    "]": () => windowOf(here()).last ?? choose(shifted(windowOf(here()), 0.5, Date.now())),
    "+": () => choose(scaled(windowOf(here()), 0.5, Date.now())),
    "-": () => choose(scaled(windowOf(here()), 2, Date.now())),
    r: beat,
    t: () => chooseTheme(nextTheme(theme.value)),
  };
}

/** To the search of the view; from a view without one, to that of the events. */
function search(): void {
  const field = document.querySelector<HTMLInputElement>("input[type=search]");
  if (field === null) {
    go(toView("events"));
    requestAnimationFrame(() => document.querySelector<HTMLInputElement>("input[type=search]")?.focus());
    return;
  }
  field.focus();
  field.select();
}
