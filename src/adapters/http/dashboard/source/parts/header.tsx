/** The bar at the top: where one is, and which part of it is shown. */

import { useCell } from "../state/cell.ts";
import { isReachable, took } from "../state/connection.ts";
import { VIEWS, usePlace, viewOf } from "../state/place.ts";
import { session, signOut } from "../state/session.ts";
import { chooseTheme, nextTheme, theme } from "../state/theme.ts";
import { isLive, windowOf } from "../state/time-window.ts";
import { Link, toView } from "./link.tsx";
import { RefreshPicker } from "./refresh-picker.tsx";
import { ServicePicker } from "./service-picker.tsx";
import { WindowPicker } from "./window-picker.tsx";

const NAMES = { overview: "Overview", endpoints: "Endpoints", events: "Events", errors: "Errors", deploys: "Deploys" };

export function Header({ now, onHelp }: { now: number; onHelp: () => void }) {
  const params = usePlace();
  const view = viewOf(params);
  const window = windowOf(params);
  const chosenTheme = useCell(theme);
  const rights = useCell(session);
  return (
    <header class="bar">
      <a class="skip" href="#main">Skip to the content</a>
      <Link class="brand" params={toView("overview")}>
        <svg viewBox="0 0 16 16" aria-hidden="true"><rect width="16" height="16" rx="4" /><path d="M3 10l3-4 3 3 4-5" /></svg>
        <span>opsboard</span>
      </Link>
      <nav aria-label="Views">
        {VIEWS.map((each) => (
          <Link key={each} params={toView(each)} isCurrent={each === view}>{NAMES[each]}</Link>
        ))}
      </nav>
      <div class="controls">
        <ServicePicker service={params.get("service")} />
        <WindowPicker window={window} now={now} />
        <RefreshPicker chosen={params.get("refresh")} isLive={isLive(window)} isReachable={useCell(isReachable)} />
        <button type="button" class="control icon" title={`Colours: ${chosenTheme}`} aria-label={`Colours: ${chosenTheme}`}
          onClick={() => chooseTheme(nextTheme(chosenTheme))}>
          <svg viewBox="0 0 16 16" aria-hidden="true"><circle cx="8" cy="8" r="5.5" /><path class="solid" d={chosenTheme === "dark" ? "M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0 -11z" : chosenTheme === "light" ? "" : "M8 2.5a5.5 5.5 0 0 1 0 11z"} /></svg>
        </button>
        {rights?.expires != null && (
          <button type="button" class="control icon" title="Sign out" aria-label="Sign out" onClick={() => void signOut().catch(took)}>
            <svg viewBox="0 0 16 16" aria-hidden="true"><path d="M6.5 2.5h-4v11h4M6.5 8h7M10.5 5l3 3-3 3" /></svg>
          </button>
        )}
        <button type="button" class="control icon" title="Help  ?" aria-label="Help" onClick={onHelp}><span aria-hidden="true">?</span></button>
      </div>
    </header>
  );
}
