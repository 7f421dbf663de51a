/**
 * The three ways in which a run can go wrong besides what the modelled program must handle (errno and VM_FAULT bits are plain values).
 * They are never mixed: a broken model, a misuse of the tool, no progress.
 */

/** The model broke one of its own rules: our bug, or a planted one. The machine freezes and dumps. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
  /** Id from docs/INVARIANTS.md such as "I15", or "assert" for an internal assertion. */
  readonly id: string;
  constructor(id: string, message: string) {
    super(`${id}: ${message}`);
    this.id = id;
  }
}

/** The caller misused the tool. The message is one full sentence with the way out. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Nothing moves any more. The message says who holds and who waits for what. */
export class StallError extends Error {
  override readonly name = 'StallError';
}

/** Thrown out of a CPU's code when the machine was frozen or told to stop while the CPU was inside it. Not an error of this CPU. */
export class MachineStopped extends Error {
  override readonly name = 'MachineStopped';
}
