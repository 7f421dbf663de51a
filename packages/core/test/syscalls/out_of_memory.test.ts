/**
 * Running out of each kind of record at every point of a long run of operations: an errno and an unchanged layout, never an exception, and
 * nothing is lost on the way.
 */
import type { MappingId, MmId, Vpn } from '@faultlab/core/base/brand';
import { NO_MAPPING } from '@faultlab/core/base/brand';
import { errnoName } from '@faultlab/core/base/errno';
import type { Cpu } from '@faultlab/core/cpu';
import { rcu_barrier } from '@faultlab/core/locking/rcu';
import { createFile, freeFile } from '@faultlab/core/mm/address_space';
import { dropFilePages } from '@faultlab/core/mm/filemap';
import { set_mm_brk, set_start_brk } from '@faultlab/core/mm/mm_struct';
import * as mman from '@faultlab/core/mm/mman';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { policyByName } from '@faultlab/core/policy/policies';
import { sys_brk } from '@faultlab/core/syscalls/brk';
import { sys_madvise } from '@faultlab/core/syscalls/madvise';
import { sys_mlock } from '@faultlab/core/syscalls/mlock';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';
import { sys_mprotect } from '@faultlab/core/syscalls/mprotect';
import { sys_mremap } from '@faultlab/core/syscalls/mremap';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { ACCESS_NAMES, userRead, userWrite } from '@faultlab/core/user/access';
import { processVmRead, processVmWrite } from '@faultlab/core/user/kernel_access';
import { assert, lruByDefault, suite } from '@faultlab/test-support';
import { hog, SCARCE, type Scarce } from '../fixtures/hog.ts';
import { areasOf, checkLayout } from '../fixtures/layout.ts';
import { BASE, type OneCpu, RWSEM_6_18, withCpu } from '../fixtures/with_cpu.ts';

const test = suite('syscalls/out_of_memory');

const RW = mman.PROT_READ | mman.PROT_WRITE;
const ANON = mman.MAP_PRIVATE | mman.MAP_ANONYMOUS | mman.MAP_FIXED;
const MOVE = mman.MREMAP_MAYMOVE | mman.MREMAP_FIXED;
const HEAP = BASE + 0x4000;
const FAR = BASE + 0x9000;

/** Pages and flags without regard to where areas are cut. */
function canonical(cpu: Cpu, mm: MmId): string {
  const parts: { from: number; to: number; what: string }[] = [];
  for (const { start, end, flags, file, pgoff } of areasOf(cpu, mm)) {
    const what = `${flags}/${file}/${pgoff - start}`;
    const last = parts.at(-1);
    if (last !== undefined && last.to === start && last.what === what) last.to = end;
    else parts.push({ from: start, to: end, what });
  }
  return parts.map(({ from, to, what }) => `${from}-${to}:${what}`).join(' ');
}

/** Calls of which an error promises that everything is as before. */
type Atomic = 'atomic' | 'partial';

interface Progress {
  readonly one: OneCpu;
  readonly spaces: MmId[];
  readonly failures: string[];
}

/** Performs one operation; a result below 0, or a failed access, is noted. */
function step({ one, spaces, failures }: Progress, name: string, atomic: Atomic, operation: () => number | string): boolean {
  const { cpu } = one;
  const layouts = (): string[] => spaces.map((mm) => canonical(cpu, mm));
  const before = layouts();
  const result = operation();
  rcu_barrier(cpu);
  for (const mm of spaces) checkLayout(cpu, mm);
  const outcome = typeof result === 'string' ? result : errnoName(result);
  if (outcome === 'ok') return true;
  failures.push(`${name}: ${outcome}`);
  if (atomic === 'atomic') assert.equal(layouts(), before, `${name} failed but changed the layout`);
  return false;
}

function touch(cpu: Cpu, page: number): string {
  return ACCESS_NAMES[userWrite(cpu, page as Vpn, page)] as string;
}

function look(cpu: Cpu, page: number): string {
  return ACCESS_NAMES[userRead(cpu, page as Vpn)] as string;
}

/** Everything that allocates, in one address space. */
function aLife(progress: Progress, file: MappingId): void {
  const { cpu } = progress.one;
  const map = (name: string, start: number, len: number, flags = 0, of = NO_MAPPING): boolean =>
    step(progress, name, 'atomic', () => sys_mmap(cpu, start, len, RW, of === NO_MAPPING ? ANON | flags : mman.MAP_FIXED | flags, of, 0));
  const write = (page: number): boolean => step(progress, `write ${page - BASE}`, 'atomic', () => touch(cpu, page));
  map('mmap', BASE, 40);
  for (const page of [0, 1, 9, 20, 39]) write(BASE + page);
  step(progress, 'mprotect', 'partial', () => sys_mprotect(cpu, BASE + 8, 4, mman.PROT_READ));
  step(progress, 'mprotect to merge', 'partial', () => sys_mprotect(cpu, BASE + 8, 4, RW));
  step(progress, 'mprotect across', 'partial', () => sys_mprotect(cpu, BASE + 4, 20, mman.PROT_READ));
  step(progress, 'munmap a hole', 'atomic', () => sys_munmap(cpu, BASE + 14, 3));
  map('mmap over', BASE + 12, 6);
  write(BASE + 13);
  map('mmap far, populated', FAR, 4, mman.MAP_POPULATE);
  step(progress, 'mremap a part', 'partial', () => sys_mremap(cpu, BASE + 18, 4, 4, MOVE, FAR + 0x300));
  step(progress, 'mremap to grow', 'atomic', () => sys_mremap(cpu, FAR, 4, 7, mman.MREMAP_MAYMOVE, 0));
  step(progress, 'mremap, old place kept', 'atomic', () =>
    sys_mremap(cpu, BASE + 30, 4, 4, mman.MREMAP_MAYMOVE | mman.MREMAP_DONTUNMAP, 0),
  );
  step(progress, 'madvise', 'partial', () => sys_madvise(cpu, BASE + 32, 2, mman.MADV_RANDOM));
  step(progress, 'mlock', 'partial', () => sys_mlock(cpu, BASE + 36, 2));
  step(progress, 'brk', 'atomic', () => (sys_brk(cpu, HEAP + 6) === HEAP + 6 ? 0 : 'ENOMEM'));
  write(HEAP + 1);
  step(progress, 'brk down', 'atomic', () => (sys_brk(cpu, HEAP + 2) <= HEAP + 2 ? 0 : 'ENOMEM'));
  map('a stack', BASE + 0x800, 2, mman.MAP_GROWSDOWN);
  step(progress, 'growth of the stack', 'partial', () => touch(cpu, BASE + 0x800 - 3)); // The area stays grown when there is no frame.
  map('a private file', BASE + 0x1000, 6, mman.MAP_PRIVATE, file);
  step(progress, 'read of the file', 'atomic', () => look(cpu, BASE + 0x1000));
  write(BASE + 0x1001);
  map('a shared file', BASE + 0x1100, 6, mman.MAP_SHARED, file);
  write(BASE + 0x1102);
  step(progress, 'peek', 'atomic', () => processVmRead(cpu, cpu.mm, (BASE + 3) as Vpn));
  step(progress, 'poke', 'atomic', () => processVmWrite(cpu, cpu.mm, (BASE + 2) as Vpn, 1));
}

/** A family: a child and a grandchild, in which pages are copied and areas cut, and the one in the middle goes first. */
function aFamily(progress: Progress): void {
  const { one, spaces } = progress;
  const { cpu, mm } = one;
  const fork = (): MmId | undefined => {
    let child = 0;
    step(progress, 'fork', 'atomic', () => {
      child = one.fork();
      return child;
    });
    if (child <= 0) return undefined;
    spaces.push(child as MmId);
    checkLayout(cpu, child as MmId);
    return child as MmId;
  };
  const child = fork();
  step(progress, 'copy in the parent', 'atomic', () => touch(cpu, BASE));
  if (child === undefined) return;
  switch_mm(cpu, child);
  step(progress, 'copy in the child', 'atomic', () => touch(cpu, BASE + 1));
  step(progress, 'munmap in the child', 'atomic', () => sys_munmap(cpu, BASE + 2, 1));
  const grandchild = fork();
  switch_mm(cpu, mm);
  spaces.splice(spaces.indexOf(child), 1);
  one.exit(child);
  if (grandchild === undefined) return;
  switch_mm(cpu, grandchild);
  step(progress, 'copy in the grandchild', 'atomic', () => touch(cpu, BASE + 39));
  step(progress, 'mremap in the grandchild', 'partial', () => sys_mremap(cpu, BASE + 36, 2, 2, MOVE, FAR + 0x500));
  switch_mm(cpu, mm);
}

/** @returns what failed when `left` of that kind were left */
function live(policy: FaultPolicy, kind: Scarce, left: number): readonly string[] {
  // Time passes while the CPU sleeps: nobody frees anything while reclaim waits for somebody who does.
  let now = 0;
  return withCpu({ policy, now: () => now }, (one) => {
    const { cpu, mm } = one;
    cpu.idle = () => {
      now++;
      return true;
    };
    const file = createFile(cpu, 8);
    set_start_brk(cpu.memory, mm, HEAP);
    set_mm_brk(cpu.memory, mm, HEAP);
    const giveBack = hog(cpu, kind, left);
    const progress: Progress = { one, spaces: [mm], failures: [] };
    aLife(progress, file);
    aFamily(progress);
    switch_mm(cpu, mm);
    for (const space of progress.spaces) if (space !== mm) one.exit(space);
    sys_munmap(cpu, BASE + 0x1000, 0x200);
    giveBack();
    // With everything given back, what is left of the life must work.
    assert.is(sys_munmap(cpu, 0, mman.TASK_SIZE_VPN), 0);
    dropFilePages(cpu, file);
    freeFile(cpu, file);
    return progress.failures;
  });
}

function check(policy: FaultPolicy, kind: Scarce): void {
  for (let left = 0; ; left++) {
    let failures: readonly string[];
    try {
      failures = live(policy, kind, left);
    } catch (error) {
      throw new Error(`with ${left} ${kind} left: ${(error as Error).stack}`, { cause: error });
    }
    if (failures.length === 0) return;
    // A stack that cannot grow for want of memory is a stack that did not grow, and process_vm_* has one error for everything: as in the kernel.
    assert.match(
      failures[0] as string,
      /: (ENOMEM|EAGAIN|OOM)$|growth of the stack: SEGV_MAPERR$|(peek|poke): EFAULT$/,
      `with ${left} ${kind} left, ${failures[0]}`,
    );
    assert.ok(left < 400, `with 400 ${kind} left, still: ${failures.join(', ')}`);
  }
}

// Reclaim does not look at the design of the VMA lock, and a life with it takes five times as long.
const POLICIES = lruByDefault === 1 ? [policyByName('linux-6.18')] : [policyByName('linux-6.18'), RWSEM_6_18];

for (const policy of POLICIES) {
  for (const kind of SCARCE) {
    test(`${policy.name}: out of ${kind} at every point of a life, each operation fails cleanly`, () => check(policy, kind));
  }
}

test.run();
