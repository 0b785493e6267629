/** A line as small as a word. */

import type { Points } from "../wire/shapes.ts";

const WIDTH = 96;
const HEIGHT = 22;
const EDGE = 1.5;

interface Props {
  values: Points;
  color?: string;
  /** The line reaches its full height from this value on. */
  atLeast?: number;
  /** What somebody hears who can not see it. */
  label: string;
}

export function Sparkline({ values, color = "--accent", atLeast = 0, label }: Props) {
  const most = Math.max(...values.map((value) => value ?? 0), atLeast);
  const points = values.flatMap((value, i) => {
    if (value === null) {
      return [];
    }
    const x = (i / Math.max(1, values.length - 1)) * (WIDTH - 2 * EDGE) + EDGE;
    const y = HEIGHT - EDGE - (most > 0 ? value / most : 0) * (HEIGHT - 2 * EDGE);
    return [`${x.toFixed(1)},${y.toFixed(1)}`];
  });
  return (
    <svg class="sparkline" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={label}>
      <polyline points={points.join(" ")} style={{ stroke: `var(${color})` }} />
    </svg>
  );
}
