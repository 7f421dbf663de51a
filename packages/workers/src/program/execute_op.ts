/**
 * Carries out one operation of a program and keeps what the CPU knows of its pages in step with it.
 * Next: touch_page.ts for accesses, rounds.ts for the longer stories.
 */
import { type MappingId, NO_MAPPING } from '@faultlab/core/base/brand';
import { EINTR, ENOMEM } from '@faultlab/core/base/errno';
import { InvariantError } from '@faultlab/core/base/errors';
import { MADV_DONTNEED, MADV_FREE } from '@faultlab/core/mm/mman';
import { type Actor, shadowOf } from './actor.ts';
import { brk, madvise, mlock, mmap, mprotect, mremap, munlock, munmap, sendSignal } from './calls.ts';
import { countUnderBustedLock, countUnderLock } from './counting.ts';
import { fileOp, fileStampFor, isFileOp } from './file_ops.ts';
import type { FileShadow } from './file_shadow.ts';
import {
  backingFile,
  backingPage,
  isTouch,
  isWrite,
  OP_ADOPT,
  OP_BRK,
  OP_COUNT_BUSTED,
  OP_COUNT_LOCKED,
  OP_FORK_CHECK,
  OP_FORK_GIVE,
  OP_FWRITE,
  OP_GROW_STACK,
  OP_MADVISE,
  OP_MAP_ANYWHERE,
  OP_MEMORY_HOG,
  OP_MLOCK,
  OP_MMAP,
  OP_MPROTECT,
  OP_MREMAP,
  OP_MUNLOCK,
  OP_MUNMAP,
  OP_NOP,
  OP_PROCESS_ROUND,
  OP_PROCESS_TREE,
  OP_SIGNAL,
  OP_VISIT,
  OP_YIELD,
  type Op,
  opName,
} from './op.ts';
import { gradeOf, outcomeName } from './outcome.ts';
import { OUTCOME, type PageShadow } from './page_shadow.ts';
import { memoryHog, processTree, visit } from './processes.ts';
import { adopt, forkCheck, forkGive, growStack, mapAnywhere, processRound, yieldCpu } from './rounds.ts';
import { isSpecialOp, specialOp } from './special_ops.ts';
import { touchPage } from './touch_page.ts';
import { isUserfaultOp, userfaultOp } from './userfault_ops.ts';

/**
 * Gives a write its stamp, unless it has one: that of a recorded operation is kept. Call it before logging the operation.
 */
export function prepareOp(actor: Actor, operation: Op): void {
  if (isWrite(operation.kind) && operation.b === 0) operation.b = stampFor(actor, operation.a);
  if (operation.kind === OP_FWRITE && operation.c === 0) operation.c = fileStampFor(actor, operation);
}

/** A new content for a page: of an address space, or of the file that a shared mapping shows there. */
function stampFor(actor: Actor, page: number): number {
  const shadow = shadowOf(actor, page);
  if (shadow?.region.backing?.shared !== true) return actor.stamps.next(page);
  return (shadow.file as FileShadow).nextStamp(actor.cpu.id, shadow.filePage(page));
}

/** @returns the result; for accesses see outcome.ts. @throws InvariantError when the model did what it must not do */
export function executeOp(actor: Actor, operation: Readonly<Op>): number {
  const { kind, a, b } = operation;
  if (isTouch(kind)) return touchPage(actor, kind, a, b);
  const result = perform(actor, operation);
  if (gradeOf(kind, result, actor.troubles) === 'forbidden') {
    throw new InvariantError(OUTCOME, `${opName(kind)} at page ${a} returned ${outcomeName(kind, result)}, which it never does here`);
  }
  return result;
}

function perform(actor: Actor, operation: Readonly<Op>): number {
  const { kind } = operation;
  if (isFileOp(kind)) return fileOp(actor, operation);
  if (isUserfaultOp(kind)) return userfaultOp(actor, operation);
  return isSpecialOp(kind) ? specialOp(actor, operation) : dispatch(actor, operation);
}

function dispatch(actor: Actor, operation: Readonly<Op>): number {
  const { kind, a, b } = operation;
  const { cpu } = actor;
  switch (kind) {
    case OP_NOP:
      return 0;
    case OP_MMAP:
    case OP_MUNMAP:
    case OP_MPROTECT:
    case OP_MREMAP:
    case OP_MADVISE:
      return areaCall(actor, operation);
    case OP_MLOCK:
      return mlock(cpu, a, b);
    case OP_MUNLOCK:
      return munlock(cpu, a, b);
    case OP_BRK:
      return brk(cpu, a);
    case OP_MAP_ANYWHERE:
      return mapAnywhere(actor, a);
    case OP_GROW_STACK:
      return growStack(actor, a, b);
    case OP_FORK_CHECK:
      return forkCheck(actor, a, b);
    case OP_FORK_GIVE:
      return forkGive(actor, a);
    case OP_ADOPT:
      return adopt(actor);
    case OP_PROCESS_ROUND:
      return processRound(actor, a, b);
    case OP_MEMORY_HOG:
      return memoryHog(actor, a);
    case OP_PROCESS_TREE:
      return processTree(actor, a, b);
    case OP_VISIT:
      return visit(actor);
    case OP_SIGNAL:
      sendSignal(cpu, a, b);
      return 0;
    case OP_YIELD:
      return yieldCpu(actor);
    case OP_COUNT_LOCKED:
      return countUnderLock(actor, a);
    case OP_COUNT_BUSTED:
      return countUnderBustedLock(actor, a);
    default:
      throw new InvariantError('assert', 'executeOp: no such operation');
  }
}

/** A call that changes areas or contents: foretell it where the range is known, make it, and remember what it did. */
function areaCall(actor: Actor, operation: Readonly<Op>): number {
  const { kind, a: at, b: pages, c, d, e } = operation;
  const { cpu } = actor;
  const shadow = shadowOf(actor, at);
  switch (kind) {
    case OP_MMAP: {
      const file = e === 0 ? NO_MAPPING : (actor.files[backingFile(e)] as MappingId);
      const result = mmap(cpu, at, pages, c, d, file, e === 0 ? 0 : backingPage(e));
      if (result >= 0) shadow?.mapped(at, pages, c);
      else failed(shadow, at, pages, result);
      return result;
    }
    case OP_MUNMAP: {
      const result = munmap(cpu, at, pages);
      if (result >= 0) shadow?.unmapped(at, pages);
      else failed(shadow, at, pages, result);
      return result;
    }
    case OP_MPROTECT:
      return protect(actor, shadow, operation, mprotect(cpu, at, pages, c));
    case OP_MREMAP: {
      const result = mremap(cpu, at, pages, c, d, e);
      if (result >= 0) {
        shadow?.moved(at, pages, e, c);
        // The move counts also when there was no memory to split the old area: it stays then, empty.
        if (actor.troubles.allocFailures) shadow?.unsure(at, pages);
      } else {
        failed(shadow, at, pages, result);
        failed(shadow, e, c, result);
      }
      return result;
    }
    default:
      return advise(shadow, operation, madvise(cpu, at, pages, c));
  }
}

/** mprotect changes everything up to the first hole, and says ENOMEM when there is one; and when memory is out, at any area before it. */
function protect({ troubles }: Actor, shadow: PageShadow | undefined, operation: Readonly<Op>, result: number): number {
  const { a: at, b: pages, c: prot } = operation;
  if (shadow === undefined || result === EINTR) return result;
  if (result >= 0) {
    if (!shadow.isUnsure(at, pages) && shadow.hasHole(at, pages)) {
      throw new InvariantError(OUTCOME, `mprotect at page ${at} went over a hole and did not say so`);
    }
    shadow.protected(at, pages, prot);
  } else if (!troubles.allocFailures && !shadow.isUnsure(at, pages) && shadow.hasHole(at, pages)) shadow.protectedToHole(at, pages, prot);
  else shadow.unsure(at, pages);
  return result;
}

/** madvise passes over holes and says ENOMEM at the end; other errors stop it half-way. */
function advise(shadow: PageShadow | undefined, operation: Readonly<Op>, result: number): number {
  const { a: at, b: pages, c: advice } = operation;
  if (shadow === undefined || result === EINTR) return result;
  if (advice === MADV_DONTNEED) {
    if (result >= 0 || (result === ENOMEM && !shadow.isUnsure(at, pages) && shadow.hasHole(at, pages))) shadow.discarded(at, pages);
    else shadow.mayVanish(at, pages);
  } else if (advice === MADV_FREE) shadow.mayVanish(at, pages);
  return result;
}

/** A refused call may have done a part of its work, unless it was refused before it began. */
function failed(shadow: PageShadow | undefined, at: number, pages: number, result: number): void {
  if (result !== EINTR) shadow?.unsure(at, pages);
}
