/**
 * One operation on the model against its record. What a record says not to compare is left out, with its reason.
 * Next: compare_events.ts
 */
import { compareEvents } from './compare_events.ts';
import { type KernelRecord, OBSERVED_KEYS, type Observation, type ObservedKey } from './record.ts';

export const UNSTABLE = 'keys that differed between two runs on the kernel';
export const NOISY = 'counts and events of operations that also faulted outside the arena';
export const SET_UP = 'counts and events of set-up operations';

/** Compared in noisy and in set-up operations, too. */
const ALWAYS: ReadonlySet<ObservedKey> = new Set(['result', 'vmas']);

export interface Comparison {
  /** Keys that differ; none when the operation is the same. */
  readonly differs: readonly ObservedKey[];
  /** Parts that were not compared, keys and events, by reason. */
  readonly leftOut: ReadonlyMap<string, number>;
}

/** @param setUp the operation only prepares something: its record has no events, and its counts include the recording program's work */
export function compareOperation(recorded: KernelRecord, got: Observation, setUp: boolean): Comparison {
  const differs: ObservedKey[] = [];
  const leftOut = new Map<string, number>();
  const leave = (reason: string, parts: number): void => void leftOut.set(reason, (leftOut.get(reason) ?? 0) + parts);
  for (const key of OBSERVED_KEYS) {
    const reason = reasonToSkip(recorded, key, setUp);
    if (reason !== undefined) leave(reason, 1);
    else if (key === 'events') {
      const events = compareEvents(recorded.events, got.events);
      if (!events.same) differs.push(key);
      else for (const [why, parts] of events.leftOut) leave(why, parts);
    } else if (JSON.stringify(comparable(recorded, key)) !== JSON.stringify(comparable(got, key))) differs.push(key);
  }
  return { differs, leftOut };
}

function reasonToSkip(recorded: KernelRecord, key: ObservedKey, setUp: boolean): string | undefined {
  if (recorded.unstable?.includes(key) === true) return UNSTABLE;
  if (ALWAYS.has(key)) return undefined;
  if (recorded.noisy === true) return NOISY;
  return setUp ? SET_UP : undefined;
}

/** The value of a key, its fields in one order. */
function comparable(seen: Observation, key: Exclude<ObservedKey, 'events'>): unknown {
  if (key !== 'vmas') return seen[key];
  return seen.vmas.map(({ start, end, prot, pgoff, of, pages }) => [start, end, prot, pgoff, of, pages]);
}
