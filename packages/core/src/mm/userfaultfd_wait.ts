/**
 * What a task has asked a userfaultfd for, and the lists of such questions. A task waits for one answer at a time, so its question is in its own
 * per-CPU block; the lists are in the context's record. Everything here is plain loads and stores under the context's spinlock.
 *
 *   pending   faults that no handler has read           --- read --->   read     faults that a handler works on
 *   events    changes of the address space (fork, ...)  --- read --->   gone     the task that waits is woken
 *   readers   handlers that wait for a fault or an event
 *
 * @kernel fs/userfaultfd.c struct userfaultfd_wait_queue, struct uffd_msg
 * @fidelity reduced: one entry per task instead of one per wait; a page number instead of an address; no thread ids
 * Next: mm/userfaultfd_ctx.ts
 */
import { assert } from '../base/assert.ts';
import type { CpuId, Word } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { PC_USERFAULT, percpuBase, USERFAULT_WORDS } from '../memory/percpu.ts';

/** CPU + 1 of the neighbours, 0 at the ends. */
const UW_NEXT = 0;
const UW_PREV = 1;
/** First word of the list that the entry is in, or 0. */
const UW_LIST = 2;
/** UFFD_EVENT_*, or 0 when the event has been read. */
export const UW_EVENT = 3;
/** First page that it is about. */
export const UW_VPN = 4;
/** Faults: the reason (VM_UFFD_*). Others: see UserfaultMessage.argument. */
export const UW_ARGUMENT = 5;
/** UFFD_PAGEFAULT_FLAG_*. */
export const UW_FLAGS = 6;
/** UNMAP, REMOVE and REMAP: pages. */
export const UW_PAGES = 7;
assert(UW_PAGES < USERFAULT_WORDS, 'userfaultfd_wait: the fields do not fit the per-CPU entry');

export const UFFD_EVENT_PAGEFAULT = 0x12;
export const UFFD_EVENT_FORK = 0x13;
export const UFFD_EVENT_REMAP = 0x14;
export const UFFD_EVENT_REMOVE = 0x15;
export const UFFD_EVENT_UNMAP = 0x16;
export const UFFD_PAGEFAULT_FLAG_WRITE = 0x1;
export const UFFD_PAGEFAULT_FLAG_WP = 0x2;
export const UFFD_PAGEFAULT_FLAG_MINOR = 0x4;

/** What a handler reads. */
export interface UserfaultMessage {
  readonly event: number;
  /** First page that it is about. */
  readonly vpn: number;
  /** A fault: UFFD_PAGEFAULT_FLAG_* bits. */
  readonly flags: number;
  /** UNMAP, REMOVE and REMAP: pages. */
  readonly pages: number;
  /** REMAP: the first page of the new place. FORK: the child's context, which the reader owns from now on. */
  readonly argument: number;
}

/** "Nobody", and the end of a list. CPUs are written as number + 1. */
export const NO_UFFD_WAITER = 0;
/** Words of a list: first and last entry. */
export const UFFD_LIST_WORDS = 2;

const fieldWord = (cpu: Cpu, waiter: number, field: number): number =>
  percpuBase(cpu.memory.percpuAt, (waiter - 1) as CpuId) + PC_USERFAULT + field;

/** A field of an entry; `waiter` is a CPU's number plus one. @locks in: the context's */
export const uffdWaiterField = (cpu: Cpu, waiter: number, field: number): number => cpu.words[fieldWord(cpu, waiter, field)] as number;
export function setUffdWaiterField(cpu: Cpu, waiter: number, field: number, value: number): void {
  cpu.words[fieldWord(cpu, waiter, field)] = value;
}

export const firstUffdWaiter = (cpu: Cpu, list: Word): number => cpu.words[list] as number;
export const nextUffdWaiter = (cpu: Cpu, waiter: number): number => uffdWaiterField(cpu, waiter, UW_NEXT);
/** The list that an entry is in, or 0. @locks in: the context's, or it is this CPU's own entry and only "0" counts */
export const uffdWaiterList = (cpu: Cpu, waiter: number): number => uffdWaiterField(cpu, waiter, UW_LIST);

/** Appends an entry that is in no list. @locks in: the context's */
export function addUffdWaiter(cpu: Cpu, list: Word, waiter: number): void {
  assert(uffdWaiterList(cpu, waiter) === 0, 'userfaultfd_wait: this task waits for something already');
  const last = cpu.words[list + 1] as number;
  setUffdWaiterField(cpu, waiter, UW_NEXT, NO_UFFD_WAITER);
  setUffdWaiterField(cpu, waiter, UW_PREV, last);
  setUffdWaiterField(cpu, waiter, UW_LIST, list);
  if (last === NO_UFFD_WAITER) cpu.words[list] = waiter;
  else setUffdWaiterField(cpu, last, UW_NEXT, waiter);
  cpu.words[list + 1] = waiter;
}

/** Takes an entry out of the list that it is in. @locks in: the context's */
export function removeUffdWaiter(cpu: Cpu, waiter: number): void {
  const list = uffdWaiterList(cpu, waiter);
  assert(list !== 0, 'userfaultfd_wait: the entry is in no list');
  const next = uffdWaiterField(cpu, waiter, UW_NEXT);
  const prev = uffdWaiterField(cpu, waiter, UW_PREV);
  if (prev === NO_UFFD_WAITER) cpu.words[list] = next;
  else setUffdWaiterField(cpu, prev, UW_NEXT, next);
  if (next === NO_UFFD_WAITER) cpu.words[list + 1] = prev;
  else setUffdWaiterField(cpu, next, UW_PREV, prev);
  setUffdWaiterField(cpu, waiter, UW_LIST, 0);
}
