/** The steps that tables ask for. */

/** The whole window as one step: longer than any window. */
export const WHOLE = "3660d";

const SPARK_POINTS = 32;
const STEPS = [5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400];

/** A step that gives a line as small as a word some thirty points. */
export function sparkStep(seconds: number): string {
  const found = STEPS.find((step) => seconds / step <= SPARK_POINTS) ?? 86_400;
  return found < 60 ? `${found}s` : `${found / 60}m`;
}
