/** The beat: each one asks again for everything that is shown. It rests while nobody looks. */

import { useEffect } from "preact/hooks";
import { Cell, useCell } from "./cell.ts";

const beats = new Cell(0);

export function beat(): void {
  if (document.visibilityState === "visible") {
    beats.value += 1;
  }
}

export function useBeat(): number {
  return useCell(beats);
}

/** Beat every so many seconds, and at once when the reader comes back; never for null. */
export function usePulse(seconds: number | null): void {
  useEffect(() => {
    if (seconds === null) {
      return undefined;
    }
    const timer = setInterval(beat, seconds * 1_000);
    document.addEventListener("visibilitychange", beat);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", beat);
    };
  }, [seconds]);
}
