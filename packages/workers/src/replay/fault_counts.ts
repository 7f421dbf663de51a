/**
 * Faults of a replay, counted by what they were in the trace and by the way they took in the model.
 * Next: replay_cpu.ts
 */
import { PF_INSTR, PF_PROT, PF_WRITE } from '../perf_script/events.ts';
import { pathIndex } from '../program/latency.ts';

export const FAULT_KINDS = ['read', 'write', 'exec'] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** `none`: the page was mapped in the model already, with the right to do this, so there was no fault. */
export const FAULT_PATHS = ['vmaLock', 'mmapLock', 'retry', 'none', 'refused'] as const;
export type FaultPath = (typeof FAULT_PATHS)[number];

export interface FaultRow {
  readonly kind: FaultKind;
  /** In the trace: something was mapped there, and did not allow the access. */
  readonly present: boolean;
  readonly count: number;
  readonly byPath: Readonly<Record<FaultPath, number>>;
}

const PATH_OF_LATENCY: ReadonlyMap<number, FaultPath> = new Map([
  [pathIndex('fault: vma lock'), 'vmaLock'],
  [pathIndex('fault: mmap fallback'), 'mmapLock'],
  [pathIndex('fault: retry'), 'retry'],
  [pathIndex('fault: refused'), 'refused'],
]);

const slots: number = FAULT_KINDS.length * 2 * FAULT_PATHS.length;

export const faultKind = (code: number): FaultKind => ((code & PF_INSTR) !== 0 ? 'exec' : (code & PF_WRITE) !== 0 ? 'write' : 'read');

/** One CPU's counts. */
export class FaultCounts {
  readonly #counts: number[] = new Array<number>(slots).fill(0);

  /** @param latencyPath what FaultPathProbe said */
  add(code: number, latencyPath: number): void {
    const path = PATH_OF_LATENCY.get(latencyPath) ?? 'none';
    const slot = slotOf(faultKind(code), (code & PF_PROT) !== 0, path);
    this.#counts[slot] = (this.#counts[slot] as number) + 1;
  }

  list(): readonly number[] {
    return this.#counts;
  }
}

const slotOf = (kind: FaultKind, present: boolean, path: FaultPath): number =>
  (FAULT_KINDS.indexOf(kind) * 2 + Number(present)) * FAULT_PATHS.length + FAULT_PATHS.indexOf(path);

/** Rows of all CPUs together; kinds that did not occur are left out. */
export function faultRows(lists: readonly (readonly number[])[]): FaultRow[] {
  return FAULT_KINDS.flatMap((kind) =>
    [false, true].flatMap((present) => {
      const of = (path: FaultPath): number => lists.reduce((sum, counts) => sum + (counts[slotOf(kind, present, path)] as number), 0);
      const byPath = Object.fromEntries(FAULT_PATHS.map((path) => [path, of(path)])) as Record<FaultPath, number>;
      const count = FAULT_PATHS.reduce((sum, path) => sum + byPath[path], 0);
      return count === 0 ? [] : [{ kind, present, count, byPath }];
    }),
  );
}
