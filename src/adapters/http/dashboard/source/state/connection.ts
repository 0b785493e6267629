/** Whether the server answers. While it does not, it is asked again and again, and the page says so. */

import { Unreachable, reach } from "../wire/ask.ts";
import { Cell } from "./cell.ts";
import { beat } from "./pulse.ts";

const AGAIN_MS = 1_000;

export const isReachable = new Cell(true);

/** Take note of an answer, or of one that did not come. */
export function took(error: unknown): void {
  if (error instanceof Unreachable && isReachable.value) {
    isReachable.value = false;
    setTimeout(tryAgain, AGAIN_MS);
  }
}

/** Something broke off: the server may be gone, or may only have refused. */
export async function suspect(): Promise<void> {
  try {
    await reach("livez", {});
  } catch (error) {
    took(error);
  }
}

async function tryAgain(): Promise<void> {
  try {
    await reach("livez", {});
    isReachable.value = true;
    beat();
  } catch {
    setTimeout(tryAgain, AGAIN_MS);
  }
}
