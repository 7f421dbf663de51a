/**
 * How often each kind of operation ended how.
 * Next: report/outcome_table.ts
 */
import { isTouch, OP_NAMES, type OpKind } from './op.ts';

export interface OutcomeCount {
  readonly kind: OpKind;
  /** For accesses the ending, for calls 0 or the error number. */
  readonly result: number;
  readonly count: number;
}

const PER_KIND = 128;
/** Endings of accesses are below it, error numbers above. */
const ERRORS_AT = 16;

export class OutcomeCounts {
  readonly #counts: Float64Array = new Float64Array(OP_NAMES.length * PER_KIND);

  add(kind: OpKind, result: number): void {
    const column = result < 0 ? ERRORS_AT - result : isTouch(kind) ? result : 0;
    const cell = kind * PER_KIND + column;
    this.#counts[cell] = (this.#counts[cell] as number) + 1;
  }

  list(): OutcomeCount[] {
    const found: OutcomeCount[] = [];
    this.#counts.forEach((count, cell) => {
      if (count === 0) return;
      const column = cell % PER_KIND;
      found.push({ kind: Math.floor(cell / PER_KIND), result: column >= ERRORS_AT ? ERRORS_AT - column : column, count });
    });
    return found;
  }
}

/** Sums the same endings of several lists. */
export function sumOutcomes(lists: readonly (readonly OutcomeCount[])[]): OutcomeCount[] {
  const sums = new Map<string, OutcomeCount>();
  for (const { kind, result, count } of lists.flat()) {
    const key = `${kind}/${result}`;
    sums.set(key, { kind, result, count: count + (sums.get(key)?.count ?? 0) });
  }
  return [...sums.values()].sort((one, other) => one.kind - other.kind || other.result - one.result);
}
