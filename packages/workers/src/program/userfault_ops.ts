/**
 * Operations of userfaultfd: a context for the run's address space, its ranges, and the handler that answers.
 * Next: core's fault/handle_userfault.ts
 */
import type { UffdId, Word } from '@faultlab/core/base/brand';
import { NO_UFFD } from '@faultlab/core/base/brand';
import { EAGAIN, EEXIST, ENODEV, ENOENT, ENOMEM } from '@faultlab/core/base/errno';
import type { Cpu } from '@faultlab/core/cpu';
import { atomic_read, atomic_set, atomic_xchg } from '@faultlab/core/memory/atomic';
import { UFFD_EVENT_PAGEFAULT, UFFD_PAGEFAULT_FLAG_WP } from '@faultlab/core/mm/userfaultfd_wait';
import { sys_userfaultfd, userfaultfd_release } from '@faultlab/core/syscalls/userfaultfd';
import {
  userfaultfd_copy,
  userfaultfd_wake,
  userfaultfd_writeprotect,
  userfaultfd_zeropage,
} from '@faultlab/core/syscalls/userfaultfd_ioctl';
import { userfaultfd_ctx_read } from '@faultlab/core/syscalls/userfaultfd_read';
import { userfaultfd_register, userfaultfd_unregister } from '@faultlab/core/syscalls/userfaultfd_register';
import type { ArenaMap } from '../arena_map.ts';
import { type Actor, shadowOf } from './actor.ts';
import { OP_UFFD_CLOSE, OP_UFFD_OPEN, OP_UFFD_REGISTER, OP_UFFD_UNREGISTER, OP_UFFD_WP, type Op, type OpKind } from './op.ts';
import { fillStamp } from './stamp.ts';

/** How long a handler waits for a message before it looks whether anybody is left. */
const READ_MS = 1;
/** Every so many pages a handler gives zero instead of a content of its own, where a region allows either. */
const ZERO_EVERY = 3;

export const isUserfaultOp = (kind: OpKind): boolean => kind >= OP_UFFD_OPEN && kind <= OP_UFFD_CLOSE;

const ctxWord = (cpu: Cpu, arena: ArenaMap): Word => (cpu.memory.userAt + arena.userfault) as Word;

/** @returns the result of the call; of the handler, how many faults it has answered */
export function userfaultOp(actor: Actor, { kind, a, b, c }: Readonly<Op>): number {
  const { cpu, arena } = actor;
  const word = ctxWord(cpu, arena);
  const ctx = atomic_read(cpu, word) as UffdId; // Pairs with: the store below, before the CPUs start.
  switch (kind) {
    case OP_UFFD_OPEN: {
      const made = sys_userfaultfd(cpu, a);
      if (made >= 0) atomic_set(cpu, word, made); // Alone: the start gate is between this and all others.
      return Math.min(made, 0);
    }
    case OP_UFFD_REGISTER:
      return userfaultfd_register(cpu, ctx, a, b, c);
    case OP_UFFD_UNREGISTER:
      return userfaultfd_unregister(cpu, ctx, a, b);
    case OP_UFFD_WP:
      return writeProtect(cpu, ctx, a, b, c !== 0);
    case OP_UFFD_CLOSE:
      closeUserfault(cpu, arena);
      return 0;
    default:
      return ctx === NO_UFFD ? 0 : serve(actor, ctx);
  }
}

/** Ranges may be taken off the context meanwhile. */
function writeProtect(cpu: Cpu, ctx: UffdId, at: number, pages: number, protect: boolean): number {
  const result = userfaultfd_writeprotect(cpu, ctx, at, pages, protect);
  return result === ENOENT || result === EAGAIN ? 0 : result;
}

/** Closes the context of a run, if it has one (any more). */
export function closeUserfault(cpu: Cpu, arena: ArenaMap): void {
  const ctx = atomic_xchg(cpu, ctxWord(cpu, arena), NO_UFFD) as UffdId; // Alone: one of two who close takes it.
  if (ctx !== NO_UFFD) userfaultfd_release(cpu, ctx);
}

/** Reads one message and answers it. */
function serve(actor: Actor, ctx: UffdId): number {
  const { cpu } = actor;
  const message = userfaultfd_ctx_read(cpu, ctx, READ_MS);
  if (typeof message === 'number') return message === ENODEV ? message : 0;
  if (message.event !== UFFD_EVENT_PAGEFAULT) return 0;
  const { vpn, flags } = message;
  if ((flags & UFFD_PAGEFAULT_FLAG_WP) !== 0) {
    if (writeProtect(cpu, ctx, vpn, 1, false) !== 0) userfaultfd_wake(cpu, ctx, vpn, 1);
    return 1;
  }
  const zero = vpn % ZERO_EVERY === 0 && shadowOf(actor, vpn)?.region.fresh === 'either';
  const filled = zero ? userfaultfd_zeropage(cpu, ctx, vpn, 1) : userfaultfd_copy(cpu, ctx, vpn, 1, fillStamp);
  // Somebody else was first, the range is not registered any more, or there was no memory: whoever waits looks again.
  if (filled === EEXIST || filled === ENOENT || filled === EAGAIN || filled === ENOMEM) userfaultfd_wake(cpu, ctx, vpn, 1);
  else if (filled < 0) return filled;
  return 1;
}
