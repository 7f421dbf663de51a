/**
 * Puts slices into rows in which any two are apart, or one is within the other: what a viewer of traces can draw. Locks may be released in another
 * order than they were taken, so one kind of slice may need several rows.
 * Next: chrome_trace.ts
 */
import type { Slice } from './slice.ts';

/** Keeps the order by start within a row. @returns at least one row for any slices */
export function nestedRows(slices: readonly Slice[]): Slice[][] {
  const rows: { readonly slices: Slice[]; readonly open: number[] }[] = [];
  const ordered = [...slices].sort((a, b) => a.startUs - b.startUs || b.endUs - a.endUs);
  for (const slice of ordered) {
    let row = rows.find(({ open }) => fits(open, slice));
    if (row === undefined) {
      row = { slices: [], open: [] };
      rows.push(row);
    }
    row.slices.push(slice);
    row.open.push(slice.endUs);
  }
  return rows.map((row) => row.slices);
}

/** Drops the ends of slices that are over. @returns does the slice end before the innermost one that is left? */
function fits(open: number[], { startUs, endUs }: Slice): boolean {
  while (open.length > 0 && (open.at(-1) as number) <= startUs) open.pop();
  return open.length === 0 || endUs <= (open.at(-1) as number);
}
