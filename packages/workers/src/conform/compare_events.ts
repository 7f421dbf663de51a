/**
 * Two lists of events of one operation: the same, the same but for what may be left out, or different.
 *
 * What may be left out says something about the recording machine's disk and its timing: that the thread slept, that a request went to the
 * device, and the order in which the pages of one window entered the page cache. Faults, mmap_lock and entries into the file fault handler
 * are never left out.
 * Next: compare.ts
 */

/** Kinds of events that may differ, by the reason under which they are counted. */
const MAY_DIFFER: readonly (readonly [reason: string, pattern: RegExp])[] = [
  ['sleeps of the faulting thread', /^sleep [DS]$/],
  ['sleeps of the userfaultfd thread', /^helper:sleep [DS]$/],
  ['requests to the block device, merged or ordered otherwise', /^block_bio_queue /],
];
const ADD = /^mm_filemap_add_to_page_cache index=(\d+)/;
export const ADD_ORDER = 'order of page-cache additions in one window';

export type EventsVerdict = { readonly same: true; readonly leftOut: ReadonlyMap<string, number> } | { readonly same: false };

const equal = (one: readonly string[], other: readonly string[]): boolean =>
  one.length === other.length && one.every((event, index) => event === other[index]);

/** Leaves out no more than is needed: nothing when the lists are the same as they are. */
export function compareEvents(expected: readonly string[], got: readonly string[]): EventsVerdict {
  if (equal(expected, got)) return { same: true, leftOut: new Map() };
  const leftOut = new Map<string, number>();
  let [one, other] = [expected, got];
  for (const [reason, pattern] of MAY_DIFFER) {
    const dropped = Math.max(matches(one, pattern), matches(other, pattern));
    if (dropped === 0) continue;
    leftOut.set(reason, dropped);
    one = one.filter((event) => !pattern.test(event));
    other = other.filter((event) => !pattern.test(event));
    if (equal(one, other)) return { same: true, leftOut };
  }
  if (!equal(sortedAdds(one), sortedAdds(other))) return { same: false };
  leftOut.set(ADD_ORDER, one.filter((event, index) => event !== other[index]).length);
  return { same: true, leftOut };
}

const matches = (events: readonly string[], pattern: RegExp): number => events.filter((event) => pattern.test(event)).length;

/** Sorts each run of additions by index; other events stay where they are. */
function sortedAdds(events: readonly string[]): string[] {
  const sorted: string[] = [];
  let run: string[] = [];
  const flush = (): void => {
    sorted.push(...run.sort((a, b) => indexOf(a) - indexOf(b)));
    run = [];
  };
  for (const event of events) {
    if (ADD.test(event)) run.push(event);
    else {
      flush();
      sorted.push(event);
    }
  }
  flush();
  return sorted;
}

const indexOf = (event: string): number => Number(ADD.exec(event)?.[1]);
