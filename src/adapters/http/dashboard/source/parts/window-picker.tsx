/** Which time is shown: a preset, two moments, or as things were known at a moment. */

import { useState } from "preact/hooks";
import { type Changes, changed, go, here } from "../state/place.ts";
import {
  PRESETS,
  type TimeWindow,
  between,
  bounds,
  iso,
  scaled,
  shifted,
} from "../state/time-window.ts";
import { clock, day, moment } from "../words/format.ts";
import { Menu } from "./menu.tsx";

const NAMES: Record<string, string> = { m: "minutes", h: "hours", d: "days", w: "weeks", s: "seconds" };

export function choose(changes: Changes): void {
  go(changed(here(), changes));
}

/** "Last 6 hours", or the two moments. */
export function windowName(window: TimeWindow, now: number): string {
  const { from, to } = bounds(window, now);
  if (window.last === null) {
    const isOneDay = new Date(from).toDateString() === new Date(to).toDateString();
    const seconds = to - from < 600_000;
    const end = isOneDay ? clock(to, seconds) : `${day(to)} ${clock(to, seconds)}`;
    return `${moment(from, now, seconds)} – ${end}`;
  }
  const amount = window.last.slice(0, -1);
  const name = NAMES[window.last.slice(-1)] ?? "";
  return amount === "1" ? `Last ${name.slice(0, -1)}` : `Last ${amount} ${name}`;
}

export function WindowPicker({ window, now }: { window: TimeWindow; now: number }) {
  return (
    <div class="window-picker">
      <button type="button" class="control icon" aria-label="Earlier" title="Earlier  ["
        onClick={() => choose(shifted(window, -0.5, now))}><span aria-hidden="true">‹</span></button>
      <Menu
        name="Time"
        class="menu-right"
        label={
          <>
            <span>{windowName(window, now)}</span>
            {window.asOf !== null && <em class="as-of">as of {moment(Date.parse(window.asOf), now)}</em>}
          </>
        }
      >
        {(close) => <Choices window={window} now={now} close={close} />}
      </Menu>
      <button type="button" class="control icon" aria-label="Later" title="Later  ]"
        disabled={window.last !== null}
        onClick={() => choose(shifted(window, 0.5, now))}><span aria-hidden="true">›</span></button>
      <button type="button" class="control icon" aria-label="Zoom out" title="Zoom out  −"
        onClick={() => choose(scaled(window, 2, now))}><span aria-hidden="true">−</span></button>
    </div>
  );
}

function Choices({ window, now, close }: { window: TimeWindow; now: number; close: () => void }) {
  const { from, to } = bounds(window, now);
  const [since, setSince] = useState(local(from));
  const [until, setUntil] = useState(local(to));
  const [asOf, setAsOf] = useState(window.asOf === null ? "" : local(Date.parse(window.asOf)));
  const pick = (changes: Changes): void => {
    choose(changes);
    close();
  };
  return (
    <div class="choices">
      <div class="presets" role="group" aria-label="Back from now">
        {PRESETS.map((preset) => (
          <button type="button" key={preset} aria-pressed={window.last === preset}
            onClick={() => pick({ last: preset, since: null, until: null })}>{preset.replace("m", " min").replace("h", " h").replace("d", " d")}</button>
        ))}
      </div>
      <form onSubmit={(event) => {
        event.preventDefault();
        const [start, end] = [Date.parse(since), Date.parse(until)];
        if (start < end) {
          pick(between(start, end));
        }
      }}>
        <label>From<input type="datetime-local" step="1" required value={since} onInput={(e) => setSince(e.currentTarget.value)} /></label>
        <label>To<input type="datetime-local" step="1" required value={until} onInput={(e) => setUntil(e.currentTarget.value)} /></label>
        <button type="submit" class="control">Show</button>
      </form>
      <form onSubmit={(event) => {
        event.preventDefault();
        pick({ as_of: asOf ? iso(Date.parse(asOf)) : null });
      }}>
        <label>As it was known at<input type="datetime-local" step="1" value={asOf} onInput={(e) => setAsOf(e.currentTarget.value)} /></label>
        <button type="submit" class="control">Show</button>
        {window.asOf !== null && <button type="button" class="control" onClick={() => pick({ as_of: null })}>Back to now</button>}
      </form>
      {window.last !== null && (
        <button type="button" class="text-button" onClick={() => pick(between(from, to))}>
          Hold this window still, to share it
        </button>
      )}
    </div>
  );
}

/** A moment as the browser's own field for date and time has it. */
function local(milliseconds: number): string {
  const at = new Date(Math.floor(milliseconds / 1_000) * 1_000);
  const shifted_ = new Date(at.getTime() - at.getTimezoneOffset() * 60_000);
  return shifted_.toISOString().slice(0, 19);
}
