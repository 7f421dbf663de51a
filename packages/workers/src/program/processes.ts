/**
 * Whole processes as operations of a program: one that wants more and more memory, and families of them, whose members end in any order, meet tasks of
 * other CPUs, and are looked at from outside. Each checks what it has written itself, to its end or until it is killed.
 *
 *   CPU 0                                     CPU 1
 *   process A, writes its pages
 *   forks B, offers it; offers itself as well
 *                                             visits: a second task of A, or the only one of B, or a pin on A's record
 *   leaves A: the last one, or not
 *                                             leaves A: now it is the last one
 *
 * A process that is killed leaves what it is in, and the CPU goes on as the next one.
 * Next: rounds.ts
 */
import type { MmId, Vpn, Word } from '@faultlab/core/base/brand';
import { EINTR } from '@faultlab/core/base/errno';
import type { Cpu } from '@faultlab/core/cpu';
import { atomic_cmpxchg, atomic_xchg } from '@faultlab/core/memory/atomic';
import { LINE_WORDS } from '@faultlab/core/memory/shared_words';
import { mmdrop, mmget_not_zero, mmgrab } from '@faultlab/core/mm/mm_struct';
import { MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, PROT_READ, PROT_WRITE } from '@faultlab/core/mm/mman';
import { processVmRead } from '@faultlab/core/user/kernel_access';
import type { Actor } from './actor.ts';
import { dropSpace, enterSpace, forkSpace, mmap, munmap, newSpace, read, useSpace, valueRead, wasKilled } from './calls.ts';
import { OP_READ } from './op.ts';
import { SEGV_MAPERR } from './outcome.ts';
import { contentError, expectRead, overwrite, PROCESS_BASE, useFreshPage, went } from './rounds.ts';
import { stampFits } from './stamp.ts';

const READ_WRITE = PROT_READ | PROT_WRITE;
const PRIVATE = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
/** Where the tasks of other CPUs put their own pages, each at its own place. */
const GUESTS_BASE = 0x60000;
const GUEST_APART = 0x100;
const GUEST_PAGES = 4;
/** Of a stranger's pages, how many are looked at. */
const LOOKS = 8;

/** Words of a CPU's mailbox, after the one of rounds.ts: a child that nobody runs on, a process with a user more, a record with a pin more. */
const CHILD = 1;
const USER = 2;
const PIN = 3;

/** Pages, and what this CPU has written there last. */
type Written = Map<number, number>;

/** A process that writes page after page, and looks back at what it has written before. @returns 0, EINTR when it was killed, or why it could not begin */
export function memoryHog(actor: Actor, pages: number): number {
  return asProcess(actor, () => {
    const mapped = mmap(actor.cpu, PROCESS_BASE, pages, READ_WRITE, PRIVATE);
    if (mapped < 0) return mapped;
    const written: Written = new Map();
    for (let page = PROCESS_BASE; page < PROCESS_BASE + pages; page++) {
      const stamp = useFreshPage(actor, page);
      if (stamp === 0) break;
      written.set(page, stamp);
      const before = PROCESS_BASE + actor.cpu.prng.below(page - PROCESS_BASE + 1);
      if (!expectRead(actor, before, written.get(before) as number, 'a page of a large process is not what it wrote')) break;
    }
    return 0;
  });
}

/** A process, its child, grandchild and so on. @param depth generations after the first. @returns as memoryHog() */
export function processTree(actor: Actor, pages: number, depth: number): number {
  return asProcess(actor, (space) => {
    const mapped = mmap(actor.cpu, PROCESS_BASE, pages, READ_WRITE, PRIVATE);
    if (mapped < 0) return mapped;
    const written: Written = new Map();
    for (let page = PROCESS_BASE; page < PROCESS_BASE + pages; page++) {
      const stamp = useFreshPage(actor, page);
      if (stamp === 0) return 0;
      written.set(page, stamp);
    }
    return family(actor, space, written, depth);
  });
}

/** Runs on `space`, whose use this CPU has, and leaves it running there. */
function family(actor: Actor, space: number, written: Written, depth: number): number {
  const { cpu } = actor;
  if (cpu.prng.chance(1, 2)) offer(actor, space, cpu.prng.chance(1, 2) ? USER : PIN);
  const child = forkSpace(cpu);
  if (child < 0) return child;
  if (depth <= 1 && cpu.prng.chance(1, 2)) offer(actor, child, CHILD);
  else asChild(actor, child, written, depth);
  enterSpace(cpu, space);
  for (const [page, stamp] of written) if (!expectRead(actor, page, stamp, 'a process sees what its child wrote')) return 0;
  return 0;
}

/** Lives as the child, and leaves it for nowhere. Its use is gone afterwards. */
function asChild(actor: Actor, child: number, written: Written, depth: number): void {
  const { cpu } = actor;
  const own: Written = new Map();
  enterSpace(cpu, child);
  for (const [page, stamp] of written) {
    if (!expectRead(actor, page, stamp, 'a child process does not see what its parent had written')) break;
    const next = overwrite(actor, page);
    if (next === 0) break;
    own.set(page, next);
  }
  if (depth > 1 && own.size === written.size) family(actor, child, own, depth - 1);
  leaveTo(actor, actor.home, child);
}

/** Takes what other CPUs have offered this one. @returns 0 also when there was nothing; EINTR when a process was killed meanwhile */
export function visit(actor: Actor): number {
  const child = take(actor, CHILD);
  const shared = take(actor, USER);
  const pinned = take(actor, PIN);
  let result = 0;
  if (child !== 0) result = asTask(actor, child, () => lookAround(actor, true));
  if (shared !== 0) result = asTask(actor, shared, () => guest(actor)) || result;
  if (pinned !== 0) lookFromOutside(actor, pinned);
  return result;
}

/** One more task of a process that another CPU runs on: maps, uses and unmaps pages of its own, and looks at the others. */
function guest(actor: Actor): void {
  const { cpu } = actor;
  lookAround(actor, false);
  const at = GUESTS_BASE + cpu.id * GUEST_APART;
  if (mmap(cpu, at, GUEST_PAGES, READ_WRITE, PRIVATE) < 0) return;
  for (let page = at; page < at + GUEST_PAGES; page++) if (useFreshPage(actor, page) === 0) return;
  lookAround(actor, false);
  munmap(cpu, at, GUEST_PAGES);
}

/** @param alone nobody else runs here, so nothing may change by itself */
function lookAround(actor: Actor, alone: boolean): void {
  for (let look = 0; look < LOOKS; look++) {
    const page = PROCESS_BASE + look;
    const result = read(actor.cpu, page);
    if (result === SEGV_MAPERR || !went(actor, OP_READ, page, result)) return; // It has fewer pages, or ends.
    const seen = fitting(actor, page);
    if (!alone) continue;
    if (!expectRead(actor, page, seen, 'an orphan sees what its parent wrote later') || overwrite(actor, page) === 0) return;
  }
}

/** Reads a process of which only the record is pinned, as long as it has a user. It may end here. @kernel fs/proc/base.c mem_rw() */
function lookFromOutside(actor: Actor, pinned: number): void {
  const { cpu } = actor;
  const mm = pinned as MmId;
  for (let look = 0; look < LOOKS; look++) {
    if (!mmget_not_zero(cpu, mm)) break;
    const page = PROCESS_BASE + look;
    if (processVmRead(cpu, mm, page as Vpn) === 0) fitting(actor, page);
    dropSpace(cpu, pinned);
  }
  mmdrop(cpu, mm);
}

/** What was just read, if it can be in that page. */
function fitting(actor: Actor, page: number): number {
  const seen = valueRead(actor.cpu);
  if (seen !== 0 && !stampFits(seen, page)) throw contentError(page, 'the content belongs to another page', 0, seen);
  return seen;
}

/** A process of this CPU from birth to death. */
function asProcess(actor: Actor, life: (space: number) => number): number {
  const space = newSpace(actor.cpu);
  if (space < 0) return space;
  enterSpace(actor.cpu, space);
  const result = life(space);
  return leaveTo(actor, actor.home, space) ? EINTR : result;
}

/** Runs on a process whose use this CPU was given, and gives the use up. */
function asTask(actor: Actor, space: number, life: () => void): number {
  enterSpace(actor.cpu, space);
  life();
  return leaveTo(actor, actor.home, space) ? EINTR : 0;
}

/** @returns whether the process that is left was killed */
function leaveTo({ cpu }: Actor, home: number, space: number): boolean {
  const killed = wasKilled(cpu);
  enterSpace(cpu, home);
  dropSpace(cpu, space);
  return killed;
}

const boxOf = ({ cpu, arena }: Actor, target: number, what: number): Word =>
  (cpu.memory.userAt + arena.mailboxes + target * LINE_WORDS + what) as Word;

/** Leaves a use of the process, a pin or the child itself to whatever CPU; keeps to itself what that one has no room for. */
function offer(actor: Actor, space: number, what: number): void {
  const { cpu, cpus } = actor;
  if (what === USER) useSpace(cpu, space);
  if (what === PIN) mmgrab(cpu, space as MmId);
  const before = atomic_cmpxchg(cpu, boxOf(actor, cpu.prng.below(cpus), what), 0, space); // Release: the finished process. Pairs with: take().
  if (before !== 0) giveBack(cpu, space, what);
}

/** Pins that were offered and never taken: their processes may have ended, and then nothing else leads to them. */
export const clearPins = (cpu: Cpu, mailboxes: number): void => withdraw(cpu, mailboxes, [PIN]);
/** All that was offered and never taken, when a run ends. */
export const clearOffers = (cpu: Cpu, mailboxes: number): void => withdraw(cpu, mailboxes, [CHILD, USER, PIN]);

function withdraw(cpu: Cpu, mailboxes: number, kinds: readonly number[]): void {
  for (let target = 0; target < cpu.memory.size.cpus; target++) {
    for (const what of kinds) {
      const left = atomic_xchg(cpu, (cpu.memory.userAt + mailboxes + target * LINE_WORDS + what) as Word, 0); // Pairs with: offer().
      if (left !== 0) giveBack(cpu, left, what);
    }
  }
}

function giveBack(cpu: Cpu, space: number, what: number): void {
  if (what === PIN) mmdrop(cpu, space as MmId);
  else dropSpace(cpu, space);
}

const take = (actor: Actor, what: number): number => atomic_xchg(actor.cpu, boxOf(actor, actor.cpu.id, what), 0); // Pairs with: offer().
