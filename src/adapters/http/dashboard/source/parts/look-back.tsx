/** Where a list of a window ends: a way further back. */

import { PRESETS, type TimeWindow } from "../state/time-window.ts";
import { choose } from "./window-picker.tsx";

/** The next longer preset; nothing for the longest one, or a window of two moments. */
function longer(window: TimeWindow): string | undefined {
  const place = PRESETS.findIndex((each) => each === window.last);
  return place < 0 ? undefined : PRESETS[place + 1];
}

export function LookBack({ window }: { window: TimeWindow }) {
  const last = longer(window);
  return last === undefined ? null : (
    <p class="look-back">
      <button type="button" class="control" onClick={() => choose({ last })}>
        Look {last.replace("h", " hours").replace("d", " days")} back
      </button>
    </p>
  );
}
