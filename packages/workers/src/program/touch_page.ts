/**
 * One access to one page, judged: may it end like this, and is the content right?
 * Next: page_shadow.ts
 */
import { EFAULT, EINTR } from '@faultlab/core/base/errno';
import { InvariantError } from '@faultlab/core/base/errors';
import type { Actor } from './actor.ts';
import { shadowOf } from './actor.ts';
import { read, readInKernel, readRemote, valueRead, write, writeInKernel, writeRemote } from './calls.ts';
import { NO_FLOOR } from './file_shadow.ts';
import { isWrite, OP_KERNEL_READ, OP_KERNEL_WRITE, OP_READ, OP_REMOTE_READ, OP_REMOTE_WRITE, OP_WRITE, type OpKind, opName } from './op.ts';
import { ACCESS_KILLED, ACCESS_OK, ACCESS_OOM, BUS_ADRERR, gradeOf, outcomeName } from './outcome.ts';
import { OUTCOME, type PageShadow } from './page_shadow.ts';
import { publish, published } from './published.ts';

/** @returns how the access ended; 0 is good. @throws InvariantError when it cannot end so, or the content is wrong */
export function touchPage(actor: Actor, kind: OpKind, page: number, stamp: number): number {
  const shadow = shadowOf(actor, page);
  const writes = isWrite(kind);
  const predicted = shadow?.predicted(page, writes);
  const floor = writes ? NO_FLOOR : floorOf(actor, page);
  const result = access(actor, kind, page, stamp);
  if (shadow !== undefined && writes && result !== ACCESS_OK) shadow.writeEnded(page);
  const busAllowed = actor.troubles.ioErrors || (shadow !== undefined && (shadow.mayBeBeyondEnd(page) || mayBeRefused(actor, shadow)));
  if (predicted === ACCESS_OK && mayBeBus(kind, result) && busAllowed) return result;
  if (predicted !== undefined) judgeEnding(actor, kind, page, predicted, result);
  else if (gradeOf(kind, result, actor.troubles) === 'forbidden' && !(result === BUS_ADRERR && busAllowed)) {
    throw impossible(kind, page, result, 'that is never possible here');
  }
  if (result !== ACCESS_OK || shadow === undefined) return result;
  if (writes) {
    shadow.wrote(page, stamp);
    if (shadow.region.backing?.shared === true) publish(actor, shadow.region.backing.file, shadow.filePage(page), stamp);
  } else shadow.judgeRead(page, valueRead(actor.cpu), floor);
  return result;
}

/** What the owner of the page had published before this CPU reads it: what is read must not be older. */
export function floorOf(actor: Actor, page: number): number {
  const shadow = shadowOf(actor, page);
  const file = shadow?.fileOf(page);
  return shadow === undefined || file === undefined ? NO_FLOOR : published(actor, file.file, shadow.filePage(page));
}

/**
 * With one retry (until 5.6) a fault that its handler has answered, and that finds the page gone or protected again, may not ask a second time: SIGBUS.
 * That is what faults may be tried more than once for.
 */
const mayBeRefused = ({ cpu }: Actor, { region }: PageShadow): boolean =>
  cpu.policy.retries === 'one' && (region.fresh ?? 'zero') !== 'zero';

/** User code gets a signal, the kernel an error. */
const mayBeBus = (kind: OpKind, result: number): boolean => result === BUS_ADRERR || (kind !== OP_READ && kind !== OP_WRITE && result < 0);

function access({ cpu }: Actor, kind: OpKind, page: number, stamp: number): number {
  switch (kind) {
    case OP_READ:
      return read(cpu, page);
    case OP_WRITE:
      return write(cpu, page, stamp);
    case OP_KERNEL_READ:
      return readInKernel(cpu, page);
    case OP_KERNEL_WRITE:
      return writeInKernel(cpu, page, stamp);
    case OP_REMOTE_READ:
      return readRemote(cpu, page);
    case OP_REMOTE_WRITE:
      return writeRemote(cpu, page, stamp);
    default:
      throw new InvariantError('assert', 'touchPage: not an access');
  }
}

/** Compares with the only possible ending. The kernel's own accesses say EFAULT where user code gets a signal. */
function judgeEnding(actor: Actor, kind: OpKind, page: number, predicted: number, result: number): void {
  if (result === predicted || result === ACCESS_OOM) return;
  if (actor.signals && (result === ACCESS_KILLED || result === EINTR || result === EFAULT)) return;
  const byUser = kind === OP_READ || kind === OP_WRITE;
  // Where user code would be out of memory, or get a signal, the kernel's own access is refused.
  const mayLackMemory = actor.troubles.allocFailures || actor.troubles.oomKills === true;
  if (!byUser && (predicted !== ACCESS_OK || mayLackMemory) && result < 0) return;
  throw impossible(kind, page, result, `the area there makes it ${outcomeName(OP_READ, predicted)}`);
}

function impossible(kind: OpKind, page: number, result: number, why: string): InvariantError {
  return new InvariantError(OUTCOME, `${opName(kind)} of page ${page} ended with ${outcomeName(kind, result)}, but ${why}`);
}
