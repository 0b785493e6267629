/** opsboard's own requests: known under a service of their own, and no part of what it watches. */

export const OWN_SERVICE = "opsboard";

/** The services that are watched; opsboard itself only where there is nothing else. */
export function watched<T>(all: readonly T[], serviceOf: (each: T) => string): T[] {
  const others = all.filter((each) => serviceOf(each) !== OWN_SERVICE);
  return others.length > 0 ? others : [...all];
}
