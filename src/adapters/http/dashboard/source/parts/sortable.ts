/** Sorting a table by one of its columns, as the URL says: "p95" or "-p95". */

export interface Order {
  column: string;
  isDescending: boolean;
}

export function orderOf(text: string | null, otherwise: string): Order {
  const chosen = text ?? otherwise;
  return { column: chosen.replace(/^-/, ""), isDescending: chosen.startsWith("-") };
}

/** What a click on a column makes of the order: the other way round, or that column's usual way. */
export function next(order: Order, column: string, startsDescending: boolean): string {
  const isDescending = order.column === column ? !order.isDescending : startsDescending;
  return isDescending ? `-${column}` : column;
}

export type Key = string | number | null;

/** In order; what has no value comes last either way. */
export function sorted<T>(rows: readonly T[], order: Order, key: (row: T) => Key): T[] {
  const sign = order.isDescending ? -1 : 1;
  return [...rows].sort((a, b) => {
    const [left, right] = [key(a), key(b)];
    if (left === null || right === null) {
      return Number(left === null) - Number(right === null);
    }
    return left < right ? -sign : left > right ? sign : 0;
  });
}
