/**
 * Delta debugging: leaves out as much of a list as a test allows, halves first, then quarters, and so on down to single items, which are tried
 * until none of them can be left out any more.
 * @source Zeller, Hildebrandt: Simplifying and Isolating Failure-Inducing Input (2002); here only complements are tried
 */

/** @param holds is what is left enough? @returns the list that is left */
export async function reduce<T>(items: readonly T[], holds: (left: readonly T[]) => Promise<boolean>): Promise<readonly T[]> {
  let left = items;
  for (let size = Math.ceil(left.length / 2); size >= 1; ) {
    const before = left.length;
    for (let from = 0; from < left.length; ) {
      const candidate = [...left.slice(0, from), ...left.slice(from + size)];
      if (await holds(candidate)) left = candidate;
      else from += size;
    }
    if (size > 1) size = Math.min(Math.ceil(size / 2), Math.max(1, left.length));
    else if (left.length === before) break;
  }
  return left;
}
