/**
 * Short stories of several calls that check themselves: map, use and unmap somewhere; grow a stack; fork and look at both sides; a whole
 * process from birth to death. Each is one operation of a program.
 * Next: calls.ts
 */
import type { Word } from '@faultlab/core/base/brand';
import { EINTR, ENOMEM } from '@faultlab/core/base/errno';
import { InvariantError } from '@faultlab/core/base/errors';
import { atomic_cmpxchg, atomic_xchg } from '@faultlab/core/memory/atomic';
import { WAIT_BARRIER } from '@faultlab/core/memory/percpu';
import { LINE_WORDS } from '@faultlab/core/memory/shared_words';
import { MAP_ANONYMOUS, MAP_FIXED, MAP_GROWSDOWN, MAP_PRIVATE, PROT_READ, PROT_WRITE } from '@faultlab/core/mm/mman';
import { waitOnWord } from '../doorbell.ts';
import { type Actor, shadowOf } from './actor.ts';
import {
  brk,
  dropSpace,
  enterSpace,
  forkSpace,
  HEAP_START,
  handleSignals,
  mmap,
  munmap,
  newSpace,
  noteProgress,
  read,
  valueRead,
  wasKilled,
  write,
} from './calls.ts';
import { CONTENT } from './file_shadow.ts';
import { OP_READ, OP_WRITE } from './op.ts';
import { ACCESS_KILLED, ACCESS_OK, ACCESS_OOM, BUS_ADRERR, outcomeName } from './outcome.ts';
import { OUTCOME, type PageShadow } from './page_shadow.ts';
import { publish } from './published.ts';
import { describeStamp, stampFits } from './stamp.ts';

const READ_WRITE = PROT_READ | PROT_WRITE;
const PRIVATE = MAP_PRIVATE | MAP_ANONYMOUS;
/** Where a process of its own keeps its pages; nothing else is mapped there. */
export const PROCESS_BASE = 0x40000;
const YIELD_MS = 0.2;

/** Maps pages wherever there is room, uses each of them, and unmaps them. */
export function mapAnywhere(actor: Actor, pages: number): number {
  const at = mmap(actor.cpu, 0, pages, READ_WRITE, PRIVATE);
  if (at < 0) return at;
  useFresh(actor, at, pages, 1);
  return unmapForSure(actor, at, pages);
}

/** Grows a stack downwards from its top page by touching it, in steps that leave pages out. */
export function growStack(actor: Actor, at: number, pages: number): number {
  const top = at + pages - 1;
  const mapped = mmap(actor.cpu, top, 1, READ_WRITE, PRIVATE | MAP_FIXED | MAP_GROWSDOWN);
  if (mapped < 0) return mapped;
  for (let page = top; page >= at; page -= 3) {
    // A stack that finds no memory to grow does not grow: the access is one to a hole.
    if (actor.troubles.allocFailures && read(actor.cpu, page) !== ACCESS_OK) break;
    if (!useFreshPage(actor, page)) break;
  }
  return unmapForSure(actor, at, pages);
}

/**
 * Forks, and looks at this CPU's own pages from both sides: the child sees the snapshot, and neither sees what the other writes later.
 * The range lies in one region.
 */
export function forkCheck(actor: Actor, at: number, pages: number): number {
  const { cpu, home } = actor;
  const shadow = shadowOf(actor, at);
  const child = forkSpace(cpu);
  if (child < 0) return child;
  const known: number[] = [];
  for (let page = at; page < at + pages; page++) {
    if (shadow?.isExact(page) === true && shadow.predicted(page, true) === ACCESS_OK) known.push(page);
  }
  enterSpace(cpu, child);
  for (const page of known) {
    if (expectRead(actor, page, shadow?.expected(page) ?? 0, 'a forked child does not see what its parent had written')) {
      if (shadow?.reachesFile === true) overwriteShared(actor, shadow, page);
      else overwrite(actor, page);
    }
  }
  enterSpace(cpu, home);
  for (const page of known) expectRead(actor, page, shadow?.expected(page) ?? 0, 'a parent sees what its forked child wrote');
  dropSpace(cpu, child);
  return 0;
}

/** Writes through a shared mapping, in whatever address space: the file has it. */
function overwriteShared(actor: Actor, shadow: PageShadow, page: number): void {
  const { file } = shadow;
  const stamp = file === undefined ? actor.stamps.next(page) : file.nextStamp(actor.cpu.id, shadow.filePage(page));
  if (!went(actor, OP_WRITE, page, write(actor.cpu, page, stamp))) return;
  shadow.wrote(page, stamp);
  if (file !== undefined) publish(actor, file.file, shadow.filePage(page), stamp);
}

/** Forks and leaves the child to another CPU; drops it when that one has not taken the last. */
export function forkGive(actor: Actor, target: number): number {
  const { cpu } = actor;
  const child = forkSpace(cpu);
  if (child < 0) return child;
  // Release: the finished child. Pairs with: the exchange in adopt().
  const before = atomic_cmpxchg(cpu, mailboxOf(actor, target), 0, child);
  if (before !== 0) dropSpace(cpu, child);
  return 0;
}

/**
 * Runs on the address space that another CPU forked for this one. Nobody else knows it, so nothing in it may change by itself, whatever
 * the parent writes meanwhile. @returns 0 also when there was none
 */
export function adopt(actor: Actor): number {
  const { cpu, home } = actor;
  const child = atomic_xchg(cpu, mailboxOf(actor, cpu.id), 0); // Pairs with: the exchange in forkGive().
  if (child === 0) return 0;
  enterSpace(cpu, child);
  for (const { region } of actor.shadows) {
    if (region.backing !== undefined || region.sharedAnonymous === true) continue; // Others write to files, and their writes show here too.
    for (let page = region.start; page < region.start + region.pages; page += 1 + (region.pages >>> 4)) stableInAdopted(actor, page);
  }
  enterSpace(cpu, home);
  dropSpace(cpu, child);
  return 0;
}

function stableInAdopted(actor: Actor, page: number): void {
  const { cpu } = actor;
  const shadow = shadowOf(actor, page);
  const first = read(cpu, page);
  if (first !== ACCESS_OK) return;
  const seen = valueRead(cpu);
  const moves = shadow?.region.layout !== 'fixed';
  if (seen !== 0 && !moves && !stampFits(seen, page)) throw contentError(page, 'the content belongs to another page', 0, seen);
  if (!expectRead(actor, page, seen, 'an adopted child sees what its parent wrote later')) return;
  if (shadow?.region.layout === 'fixed') overwrite(actor, page);
}

/**
 * A process from birth to death: areas, a heap, a child of its own. The CPU is back on its old space afterwards.
 * @param memcg the cgroup of the process; 0: the run's own
 */
export function processRound(actor: Actor, pages: number, memcg = 0): number {
  const { cpu, home } = actor;
  const space = newSpace(cpu, memcg || undefined);
  if (space < 0) return space;
  enterSpace(cpu, space);
  const result = liveAsProcess(actor, space, pages);
  const killed = wasKilled(cpu);
  enterSpace(cpu, home);
  dropSpace(cpu, space);
  return killed ? EINTR : result;
}

function liveAsProcess(actor: Actor, space: number, pages: number): number {
  const { cpu } = actor;
  const mapped = mmap(cpu, PROCESS_BASE, pages, READ_WRITE, PRIVATE | MAP_FIXED);
  if (mapped < 0) return mapped;
  const stamps = useFresh(actor, PROCESS_BASE, pages, 1);
  if (brk(cpu, HEAP_START + pages) === HEAP_START + pages) useFresh(actor, HEAP_START, pages, 2);
  const child = forkSpace(cpu);
  if (child < 0) return child;
  enterSpace(cpu, child);
  for (const [page, stamp] of stamps) {
    if (expectRead(actor, page, stamp, 'a child process does not see what its parent had written')) overwrite(actor, page);
  }
  enterSpace(cpu, space);
  dropSpace(cpu, child);
  for (const [page, stamp] of stamps) expectRead(actor, page, stamp, 'a process sees what its child wrote');
  return 0;
}

/** Gives the other threads of the host a chance. */
export function yieldCpu({ cpu }: Actor): number {
  waitOnWord(cpu, WAIT_BARRIER, (cpu.percpu + PARK_SPOT) as Word, 0, YIELD_MS);
  return 0;
}

/** A word of the CPU's block that stays 0: nobody wakes a sleeper there. */
const PARK_SPOT = 15;

/** Every `step`th fresh page reads 0, takes a stamp and gives it back. @returns the stamps written */
function useFresh(actor: Actor, at: number, pages: number, step: number): [number, number][] {
  const written: [number, number][] = [];
  for (let page = at; page < at + pages; page += step) {
    const stamp = useFreshPage(actor, page);
    if (stamp !== 0) written.push([page, stamp]);
  }
  return written;
}

/** @returns the stamp that the page holds now, or 0 when memory or a signal ended it early */
export function useFreshPage(actor: Actor, page: number): number {
  if (!expectRead(actor, page, 0, 'a fresh page is not zero')) return 0;
  const stamp = overwrite(actor, page);
  return stamp !== 0 && expectRead(actor, page, stamp, 'a write was lost') ? stamp : 0;
}

/** Reads a page that nobody else writes. @returns false when memory or a signal ended it */
export function expectRead(actor: Actor, page: number, wanted: number, wrong: string): boolean {
  const result = read(actor.cpu, page);
  if (!went(actor, OP_READ, page, result)) return false;
  const found = valueRead(actor.cpu);
  if (found !== wanted) throw contentError(page, wrong, wanted, found);
  return true;
}

/** Writes a page that may be written. @returns the stamp, or 0 */
export function overwrite(actor: Actor, page: number): number {
  const stamp = actor.stamps.next(page);
  return went(actor, OP_WRITE, page, write(actor.cpu, page, stamp)) ? stamp : 0;
}

export function went(actor: Actor, kind: number, page: number, result: number): boolean {
  if (result === ACCESS_OK) {
    noteProgress(actor.cpu); // A story may be long, and the host slow.
    return true;
  }
  // Also when the reaper was faster: its signal comes before the SIGBUS of a page that is gone. Whoever was not killed may not lose a page.
  if (actor.troubles.oomKills === true && result === ACCESS_KILLED && wasKilled(actor.cpu)) return false;
  if (result === ACCESS_OOM || (result === BUS_ADRERR && actor.troubles.ioErrors)) return false;
  if (actor.signals && result === ACCESS_KILLED) {
    handleSignals(actor.cpu);
    return false;
  }
  throw new InvariantError(OUTCOME, `an access to page ${page}, which is mapped, ended with ${outcomeName(kind, result)}`);
}

/** Unmaps also when a signal or a full table comes in between: what stayed would be in everybody's way. */
function unmapForSure(actor: Actor, at: number, pages: number): number {
  for (;;) {
    const result = munmap(actor.cpu, at, pages);
    if ((result !== EINTR && result !== ENOMEM) || wasKilled(actor.cpu)) return result;
    handleSignals(actor.cpu);
    yieldCpu(actor);
  }
}

const mailboxOf = ({ cpu, arena }: Actor, target: number): Word => (cpu.memory.userAt + arena.mailboxes + target * LINE_WORDS) as Word;

export const contentError = (page: number, what: string, expected: number, found: number): InvariantError =>
  new InvariantError(CONTENT, `${what}: page ${page} holds ${describeStamp(found)}, expected ${describeStamp(expected)}`);
