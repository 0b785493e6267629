/** The frame of a chart: its name, its legend, and a way to read it as a table. */

import type { ComponentChildren } from "preact";
import { useId, useState } from "preact/hooks";
import { moment } from "../words/format.ts";

export interface LegendItem {
  label: string;
  color: string;
  value: string;
}

export interface Table {
  columns: string[];
  rows: { at: number; cells: string[] }[];
}

interface Props {
  title: string;
  legend: LegendItem[];
  /** The moment that is pointed at, in seconds. */
  at: number | null;
  table: () => Table;
  children: ComponentChildren;
}

export function Card({ title, legend, at, table, children }: Props) {
  const [isTable, setIsTable] = useState(false);
  const id = useId();
  const now = Date.now();
  return (
    <section class="card" aria-labelledby={id}>
      <header class="card-head">
        <h3 id={id}>{title}</h3>
        <ul class="legend">
          {legend.map((item) => (
            <li key={item.label}>
              <i style={{ background: `var(${item.color})` }} />
              <span class="legend-label">{item.label}</span>
              <b>{item.value}</b>
            </li>
          ))}
        </ul>
        <span class="card-at">{at === null ? "" : moment(at * 1_000, now, true)}</span>
        <button
          type="button"
          class="quiet-button"
          aria-pressed={isTable}
          onClick={() => setIsTable(!isTable)}
          title={isTable ? "Show as a chart" : "Show as a table"}
        >
          <span class="hidden">{title} as a table</span>
          <svg viewBox="0 0 16 16" aria-hidden="true">
            <path d="M2.5 3.5h11v9h-11zM2.5 6.5h11M2.5 9.5h11M7 3.5v9" />
          </svg>
        </button>
      </header>
      <div class={isTable ? "gone" : ""} role="img" aria-label={spoken(title, legend)}>
        {children}
      </div>
      {isTable && <ChartTable title={title} table={table()} now={now} />}
    </section>
  );
}

function spoken(title: string, legend: LegendItem[]): string {
  const said = legend.map((item) => `${item.label} ${item.value}`.trim()).join(", ");
  return said ? `${title}: ${said}` : title;
}

function ChartTable({ title, table, now }: { title: string; table: Table; now: number }) {
  return (
    <div class="chart-table" tabIndex={0} role="region" aria-label={`${title} as a table`}>
      <table>
        <thead>
          <tr>
            <th scope="col">Time</th>
            {table.columns.map((column) => (
              <th scope="col" class="n" key={column}>
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {table.rows.map((row) => (
            <tr key={row.at}>
              <th scope="row">{moment(row.at, now, true)}</th>
              {row.cells.map((cell, i) => (
                <td class="n" key={i}>
                  {cell}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
