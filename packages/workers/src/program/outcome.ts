/**
 * How operations may end, and which endings are fine: an access by its signal code, a call by its error number.
 * Next: page_shadow.ts predicts accesses; run_counts.ts counts.
 */
import { EAGAIN, EFAULT, EINTR, EINVAL, EIO, ENOMEM, errnoName } from '@faultlab/core/base/errno';
import {
  isTouch,
  OP_MADVISE,
  OP_MEMORY_HOG,
  OP_MREMAP,
  OP_PIN_RANGE,
  OP_PROCESS_ROUND,
  OP_PROCESS_TREE,
  OP_READ_RANGE,
  OP_VISIT,
  type OpKind,
} from './op.ts';

/** Endings of an access. */
export const ACCESS_OK = 0;
export const SEGV_MAPERR = 1;
export const SEGV_ACCERR = 2;
export const BUS_ADRERR = 3;
export const ACCESS_OOM = 4;
export const ACCESS_KILLED = 5;
export const BUS_MCEERR_AR = 7;
const ACCESS_NAMES = ['ok', 'SEGV_MAPERR', 'SEGV_ACCERR', 'BUS_ADRERR', 'OOM', 'killed', 'PFAULT', 'BUS_MCEERR_AR'] as const;

/** How much an ending says: expected; allowed, but worth counting; or impossible in a right model. */
export type Grade = 'expected' | 'expected under injection' | 'allowed' | 'interesting' | 'forbidden';

/** What a run has to be ready for: other endings are legal then. */
export interface Troubles {
  /** Signals are sent, by programs or by an injection. */
  readonly signals: boolean;
  /** Files may end before the areas that map them: whether a page lay beyond the end is checked apart, from what was written to the file. */
  readonly fileEnds?: boolean;
  /** Signals are injected, which explains every ending by a signal. */
  readonly injectedSignals: boolean;
  /** Requests of devices fail by injection. */
  readonly ioErrors: boolean;
  /** Allocations fail by injection. */
  readonly allocFailures: boolean;
  /** Processes are killed for their memory. */
  readonly oomKills?: boolean;
}

/** Those that injections bring. */
export type InjectedTroubles = Omit<Troubles, 'signals' | 'fileEnds' | 'oomKills'>;

const INJECTED: Grade = 'expected under injection';

/** Name of an ending, given the kind of operation that had it. */
export function outcomeName(kind: OpKind, result: number): string {
  if (isTouch(kind) && result >= 0) return ACCESS_NAMES[result] ?? `access ${result}`;
  return errnoName(result);
}

/** Calls that may find the range to be something else than they need. */
const EFAULT_KINDS: ReadonlySet<OpKind> = new Set([OP_MREMAP, OP_MADVISE, OP_READ_RANGE, OP_PIN_RANGE]);

/** Operations that start a process, which may be killed. */
const PROCESS_KINDS: ReadonlySet<OpKind> = new Set([OP_PROCESS_ROUND, OP_MEMORY_HOG, OP_PROCESS_TREE, OP_VISIT]);

/** Grade of an ending in general. What a region's layout says about an access is checked apart from it. */
export function gradeOf(kind: OpKind, result: number, troubles: Troubles): Grade {
  if (isTouch(kind) && result >= 0) return accessGrade(result, troubles);
  if (result >= 0) return 'expected';
  switch (result) {
    case ENOMEM:
      return troubles.allocFailures ? INJECTED : 'interesting';
    case EIO:
      return troubles.ioErrors ? INJECTED : 'forbidden';
    case EAGAIN:
      return 'allowed';
    case EINTR:
      return troubles.oomKills === true && PROCESS_KINDS.has(kind) ? 'allowed' : bySignal(troubles);
    case EFAULT:
      return isTouch(kind) || EFAULT_KINDS.has(kind) ? 'allowed' : 'forbidden';
    case EINVAL:
      return kind === OP_MADVISE || kind === OP_MREMAP ? 'allowed' : 'forbidden';
    default:
      return 'forbidden';
  }
}

const bySignal = ({ signals, injectedSignals }: Troubles): Grade => (injectedSignals ? INJECTED : signals ? 'allowed' : 'forbidden');

function accessGrade(result: number, troubles: Troubles): Grade {
  switch (result) {
    case ACCESS_OK:
      return 'expected';
    case SEGV_MAPERR:
    case SEGV_ACCERR:
      return 'allowed';
    case ACCESS_OOM:
      return troubles.allocFailures ? INJECTED : 'interesting';
    case BUS_ADRERR:
      return troubles.ioErrors ? INJECTED : troubles.fileEnds ? 'allowed' : 'forbidden';
    case ACCESS_KILLED:
      return bySignal(troubles);
    default:
      return 'forbidden';
  }
}

/** What an ending means, for tables. */
export function outcomeMeaning(kind: OpKind, result: number): string {
  if (isTouch(kind)) {
    if (result === SEGV_MAPERR) return 'no area there at that moment';
    if (result === SEGV_ACCERR) return 'the area forbade it at that moment';
    if (result === BUS_ADRERR) return 'beyond the end of a file, or its device failed';
    if (result === ACCESS_OOM) return 'no frame or table was free';
    if (result === ACCESS_KILLED) return 'a fatal signal ended the fault';
    if (result === EFAULT) return 'refused, as a user access would have been';
  }
  if (result === ENOMEM)
    return kind === OP_MADVISE ? 'a hole in the range, or a table was full' : 'a hole in the range, or a limit or table was full';
  if (result === EINTR) return PROCESS_KINDS.has(kind) ? 'the process was killed' : 'a fatal signal came while waiting for mmap_lock';
  if (result === EIO) return 'the device failed';
  if (result === EINVAL) return 'the areas there did not allow it at that moment';
  if (result === EFAULT) return 'the range was not one area at that moment';
  return '';
}
