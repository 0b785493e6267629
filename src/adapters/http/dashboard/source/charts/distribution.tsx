/** How many requests took how long, before and after something: two outlines over one scale. */

import { latency } from "../words/format.ts";

const WIDTH = 480;
const HEIGHT = 120;

interface Props {
  latency: { upto_ms: number[]; before: number[]; after: number[] };
}

/** Each side as shares of its own requests, so that sides of different length compare. */
function shares(counts: number[]): number[] {
  const all = counts.reduce((sum, count) => sum + count, 0);
  return counts.map((count) => (all > 0 ? count / all : 0));
}

function outline(values: number[], most: number): string {
  const step = WIDTH / values.length;
  const points = values.flatMap((value, i) => {
    const y = (HEIGHT - (value / most) * (HEIGHT - 4)).toFixed(1);
    return [`${(i * step).toFixed(1)},${y}`, `${((i + 1) * step).toFixed(1)},${y}`];
  });
  return `0,${HEIGHT} ${points.join(" ")} ${WIDTH},${HEIGHT}`;
}

export function Distribution({ latency: { upto_ms, before, after } }: Props) {
  if (upto_ms.length === 0) {
    return <div class="distribution" />;
  }
  const [was, is] = [shares(before), shares(after)];
  const most = Math.max(...was, ...is, Number.MIN_VALUE);
  const labelled = [0.1, 1, 10, 100, 1_000, 10_000].flatMap((ms) => {
    const place = upto_ms.findIndex((upto) => upto > ms);
    return place > 0 ? [{ ms, left: place / upto_ms.length }] : [];
  });
  return (
    <figure class="distribution">
      <figcaption class="legend">
        <span><i class="key-before" /> before</span><span><i class="key-after" /> after</span>
      </figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label="Latencies before and after">
        <polygon class="before" points={outline(was, most)} />
        <polygon class="after" points={outline(is, most)} />
      </svg>
      <div class="ticks" aria-hidden="true">
        {labelled.map(({ ms, left }) => <span key={ms} style={{ left: `${left * 100}%` }}>{latency(ms)}</span>)}
      </div>
    </figure>
  );
}
