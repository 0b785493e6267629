/** The head of a column that can be sorted by. */

import { changed, go, here } from "../state/place.ts";
import { type Order, next } from "./sortable.ts";

interface Props {
  name: string;
  column: string;
  order: Order;
  isNumber?: boolean;
  class?: string;
}

export function ColumnHead({ name, column, order, isNumber = false, class: className = "" }: Props) {
  const isSorted = order.column === column;
  const direction = order.isDescending ? "descending" : "ascending";
  return (
    <th scope="col" class={`${isNumber ? "n" : ""} ${className}`} aria-sort={isSorted ? direction : undefined}>
      <button type="button" class="sort"
        onClick={() => go(changed(here(), { sort: next(order, column, isNumber) }))}>
        {name}
        <span aria-hidden="true">{isSorted ? (order.isDescending ? "↓" : "↑") : ""}</span>
      </button>
    </th>
  );
}
