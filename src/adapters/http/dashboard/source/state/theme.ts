/** Light or dark: as the system has it, unless the reader chose. */

import { Cell } from "./cell.ts";

export type Theme = "system" | "light" | "dark";

const KEY = "opsboard-theme";
const THEMES: Theme[] = ["system", "light", "dark"];

function chosen(): Theme {
  try {
    return THEMES.find((theme) => theme === localStorage.getItem(KEY)) ?? "system";
  } catch {
    return "system"; // storage may be closed to the page
  }
}

export const theme = new Cell<Theme>(chosen());

/** Counts what changes the colours of the page, for what is painted and not styled. */
export const paint = new Cell(0);

function apply(next: Theme): void {
  if (next === "system") {
    document.documentElement.removeAttribute("data-theme");
  } else {
    document.documentElement.dataset["theme"] = next;
  }
  paint.value += 1;
}

export function chooseTheme(next: Theme): void {
  try {
    localStorage.setItem(KEY, next);
  } catch {
    // it lasts as long as the page then
  }
  theme.value = next;
}

export function nextTheme(now: Theme): Theme {
  return THEMES[(THEMES.indexOf(now) + 1) % THEMES.length] ?? "system";
}

theme.watch(apply);
apply(theme.value);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  paint.value += 1;
});
