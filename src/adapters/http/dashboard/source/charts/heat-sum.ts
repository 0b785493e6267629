/** Heat maps of several services as one: rows are the same quarters of an octave everywhere. */

import type { Heatmap } from "../wire/shapes.ts";

export function heatSum(maps: readonly Heatmap[]): Heatmap | undefined {
  const [first, ...rest] = maps.filter((map) => map.upto_ms.length > 0);
  if (first === undefined) {
    return maps[0];
  }
  if (rest.length === 0) {
    return first;
  }
  const all = [first, ...rest];
  const rows = [...new Set(all.flatMap((map) => map.upto_ms))].sort((a, b) => a - b);
  const steps = [...new Set(all.flatMap((map) => map.ts))].sort();
  const counts = steps.map(() => rows.map(() => 0));
  for (const map of all) {
    const place = map.upto_ms.map((upto) => rows.indexOf(upto));
    map.ts.forEach((ts, i) => {
      const column = counts[steps.indexOf(ts)] ?? [];
      map.counts[i]?.forEach((value, j) => {
        const row = place[j] ?? 0;
        column[row] = (column[row] ?? 0) + value;
      });
    });
  }
  return { step_seconds: first.step_seconds, ts: steps, upto_ms: rows, counts };
}
