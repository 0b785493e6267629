/** Counts over time, as small bars. */

const WIDTH = 120;
const HEIGHT = 24;
const GAP = 1;

export function Bars({ values, label }: { values: number[]; label: string }) {
  const most = Math.max(...values, 1);
  const step = WIDTH / Math.max(1, values.length);
  return (
    <svg class="bars" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={label}>
      {values.map((value, i) => {
        const height = value > 0 ? Math.max(2, (value / most) * HEIGHT) : 1;
        return <rect key={i} class={value > 0 ? "" : "none"} x={i * step} y={HEIGHT - height} width={step - GAP} height={height} />;
      })}
    </svg>
  );
}
