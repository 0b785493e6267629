/** How often the page asks again. */

import { Menu } from "./menu.tsx";
import { choose } from "./window-picker.tsx";

const EVERY = [["auto", "Auto"], ["5", "Every 5 s"], ["30", "Every 30 s"], ["60", "Every minute"], ["off", "Off"]] as const;

/** The seconds that the URL asks for, `auto` where it asks for nothing; null for never. */
export function refreshOf(chosen: string | null, auto: number): number | null {
  if (chosen === "off") {
    return null;
  }
  const seconds = Number(chosen ?? "");
  return Number.isInteger(seconds) && seconds > 0 ? seconds : auto;
}

interface Props {
  chosen: string | null;
  isLive: boolean;
  isReachable: boolean;
}

export function RefreshPicker({ chosen, isLive, isReachable }: Props) {
  const isOff = !isLive || chosen === "off";
  const state = !isReachable ? "lost" : isOff ? "still" : "live";
  const name = !isReachable ? "No answer" : isOff ? "Still" : "Live";
  return (
    <Menu name="Refresh" class="menu-right" label={<><i class={`pulse pulse-${state}`} /><span>{name}</span></>}>
      {(close) => (
        <div class="options" role="group" aria-label="Refresh">
          {!isLive && <p class="hint">A window that has ended does not change.</p>}
          {EVERY.map(([value, label]) => (
            <button type="button" key={value} aria-pressed={(chosen ?? "auto") === value}
              onClick={() => {
                choose({ refresh: value === "auto" ? null : value });
                close();
              }}>{label}</button>
          ))}
        </div>
      )}
    </Menu>
  );
}
