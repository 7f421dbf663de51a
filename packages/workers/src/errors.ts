/**
 * The errors that concern a CPU as a thread; what concerns the model is in core (InvariantError, StallError, UsageError).
 * Next: machine.ts throws them.
 */

/** The thread of a CPU is gone, or its work threw something that is no verdict about the model. */
export class CpuError extends Error {
  override readonly name = 'CpuError';
  readonly cpu: number;
  constructor(cpu: number, what: string, options?: ErrorOptions) {
    super(`CPU ${cpu} ${what}`, options);
    this.cpu = cpu;
  }
}
