/** A JSON object as a tree of names and values. All of it is text. */

import type { Json } from "../wire/shapes.ts";

const OPEN_DEPTH = 2;
const LONG = 300;

export function JsonTree({ value }: { value: { [key: string]: Json } }) {
  return <Branch entries={Object.entries(value)} depth={0} />;
}

function Branch({ entries, depth }: { entries: [string, Json][]; depth: number }) {
  return (
    <dl class="tree">
      {entries.map(([name, value]) => (
        <div key={name}>
          <dt><bdi>{name}</bdi></dt>
          <dd><Value value={value} depth={depth} /></dd>
        </div>
      ))}
    </dl>
  );
}

function Value({ value, depth }: { value: Json; depth: number }) {
  if (value === null || typeof value !== "object") {
    return <Leaf value={value} />;
  }
  const entries: [string, Json][] = Array.isArray(value)
    ? value.map((each, i) => [String(i), each])
    : Object.entries(value);
  if (entries.length === 0) {
    return <span class="json-empty">{Array.isArray(value) ? "[]" : "{}"}</span>;
  }
  return (
    <details open={depth < OPEN_DEPTH}>
      <summary>{Array.isArray(value) ? `${entries.length} items` : `${entries.length} fields`}</summary>
      <Branch entries={entries} depth={depth + 1} />
    </details>
  );
}

function Leaf({ value }: { value: string | number | boolean | null }) {
  if (typeof value === "string") {
    const isBlock = value.includes("\n") || value.length > LONG;
    return isBlock ? <pre class="json-block" dir="auto" tabIndex={0}>{value}</pre> : <bdi class="json-text">{value}</bdi>;
  }
  return <span class="json-number">{String(value)}</span>;
}
