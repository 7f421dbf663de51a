/**
 * A small machine on one thread, with something of everything in it: two processes that share pages, a file mapped twice, a stack, pages of
 * every kind. The tests of the invariants break it.
 */
import type { CpuId, MappingId, MmId, Pfn, Pte, TableId, VmaId, Vpn, Word } from '@faultlab/core/base/brand';
import { NO_MAPPING, NO_MM } from '@faultlab/core/base/brand';
import { cpuOffline, cpuOnline, createCpu } from '@faultlab/core/boot';
import type { Cpu } from '@faultlab/core/cpu';
import { sweep } from '@faultlab/core/invariants/sweep';
import { rcu_barrier } from '@faultlab/core/locking/rcu';
import { DEFAULT_SIZE, type MachineSize } from '@faultlab/core/memory/limits';
import type { SharedMemory } from '@faultlab/core/memory/shared_memory';
import { createFile, freeFile } from '@faultlab/core/mm/address_space';
import { dropFilePages } from '@faultlab/core/mm/filemap';
import { lru_add_drain } from '@faultlab/core/mm/folio_add_lru';
import { mas_walk } from '@faultlab/core/mm/maple_tree';
import { mm_alloc, mmTree } from '@faultlab/core/mm/mm_struct';
import { MAP_ANONYMOUS, MAP_FIXED, MAP_GROWSDOWN, MAP_PRIVATE, MAP_SHARED, PROT_NONE, PROT_READ, PROT_WRITE } from '@faultlab/core/mm/mman';
import { nr_free_pages } from '@faultlab/core/mm/page_alloc';
import { findPteTable, pteWord } from '@faultlab/core/mm/page_table';
import { pte_pfn } from '@faultlab/core/mm/pte';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { POLICIES, policyByName } from '@faultlab/core/policy/policies';
import { cachePlaces } from '@faultlab/core/slab/caches';
import { kmem_cache_in_use } from '@faultlab/core/slab/kmem_cache';
import { sys_fork } from '@faultlab/core/syscalls/dup_mmap';
import { mmput } from '@faultlab/core/syscalls/exit_mmap';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';
import { sys_mprotect } from '@faultlab/core/syscalls/mprotect';
import type { PointObserver } from '@faultlab/core/trace/points';
import { userRead, userWrite } from '@faultlab/core/user/access';
import { assert } from '@faultlab/test-support';
import { bootMemory } from '../fixtures/boot_memory.ts';

export const SMALL: MachineSize = {
  ...DEFAULT_SIZE,
  cpus: 3,
  mms: 6,
  vmas: 600,
  frames: 1500,
  tables: 200,
  anonVmas: 600,
  avcs: 3000,
  mappings: 4,
  xaNodes: 40,
  traceEntries: 0,
  userWords: 64,
};

/** The first design of the VMA lock with everything else as in the last one, so that every path of it is taken. */
export const RWSEM_POLICY: FaultPolicy = { ...policyByName('linux-6.18'), name: 'rwsem', vmaLock: 'rwsem' };
export const ALL_POLICIES: readonly FaultPolicy[] = [...POLICIES, RWSEM_POLICY];

/** Where things lie, in pages. */
export const RW = 0x1000 as Vpn;
export const READ_ONLY = 0x1100 as Vpn;
export const CLOSED = 0x1200 as Vpn;
export const SHARED_FILE = 0x1300 as Vpn;
export const PRIVATE_FILE = 0x1400 as Vpn;
export const STACK = 0x1600 as Vpn;

export interface World {
  readonly m: SharedMemory;
  readonly cpus: readonly [Cpu, Cpu, Cpu];
  /** CPU 0, which runs on the parent. */
  readonly cpu: Cpu;
  readonly parent: MmId;
  readonly child: MmId;
  readonly file: MappingId;
  /** Called at every named point that CPU 0 passes. */
  onPoint: (point: number) => void;
}

const anonymous = (cpu: Cpu, at: number, pages: number, prot: number, extra = 0): void =>
  assert.is(sys_mmap(cpu, at, pages, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | extra, NO_MAPPING, 0), at);

/** @param policy linux-6.18 when not given */
export function world(policy: FaultPolicy = policyByName('linux-6.18'), verify = true): World {
  const m = bootMemory(SMALL);
  const state = { onPoint: (_point: number): void => {} };
  const points: PointObserver = { at: (point) => state.onPoint(point) };
  const make = (id: number): Cpu =>
    createCpu({ id: id as CpuId, memory: m, now: () => performance.now(), policy, verify, points: id === 0 ? points : null });
  const cpus: [Cpu, Cpu, Cpu] = [make(0), make(1), make(2)];
  const [cpu, other] = cpus;
  cpuOnline(cpu);
  const parent = mm_alloc(cpu);
  switch_mm(cpu, parent);
  const file = createFile(cpu, 100);
  fill(cpu, file);
  const child = sys_fork(cpu) as MmId;
  assert.ok(child > 0);
  for (let page = 0; page < 4; page++) assert.is(userWrite(cpu, (RW + page) as Vpn, 100 + page), 0);
  rcu_barrier(cpu);
  lru_add_drain(cpu); // A page in a batch has a reference more.
  // The other CPU runs on the child and goes off again, so that it never holds up a grace period.
  cpuOnline(other);
  switch_mm(other, child);
  for (let page = 0; page < 6; page++) assert.is(userRead(other, (RW + page) as Vpn), 0);
  assert.is(userWrite(other, (RW + 5) as Vpn, 7), 0);
  cpuOffline(other);
  return Object.assign(state, { m, cpus, cpu, parent, child, file });
}

function fill(cpu: Cpu, file: MappingId): void {
  anonymous(cpu, RW, 32, PROT_READ | PROT_WRITE);
  anonymous(cpu, READ_ONLY, 8, PROT_READ | PROT_WRITE);
  anonymous(cpu, CLOSED, 8, PROT_READ | PROT_WRITE);
  anonymous(cpu, STACK, 8, PROT_READ | PROT_WRITE, MAP_GROWSDOWN);
  assert.is(sys_mmap(cpu, SHARED_FILE, 8, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0), SHARED_FILE);
  assert.is(sys_mmap(cpu, PRIVATE_FILE, 8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, file, 4), PRIVATE_FILE);
  for (let page = 0; page < 8; page++) assert.is(userWrite(cpu, (RW + page) as Vpn, page + 1), 0);
  for (let page = 8; page < 12; page++) assert.is(userRead(cpu, (RW + page) as Vpn), 0);
  for (const at of [READ_ONLY, CLOSED, SHARED_FILE, PRIVATE_FILE, STACK]) {
    assert.is(userWrite(cpu, at, 9), 0);
    assert.is(userRead(cpu, (at + 1) as Vpn), 0);
  }
  assert.is(sys_mprotect(cpu, READ_ONLY, 8, PROT_READ), 0);
  assert.is(sys_mprotect(cpu, CLOSED, 8, PROT_NONE), 0);
  assert.is(userWrite(cpu, (STACK - 2) as Vpn, 3), 0);
}

/** Ends both processes and the file: nothing may be left. */
export function dissolve({ cpu, parent, child, file, cpus }: World): void {
  switch_mm(cpu, NO_MM);
  for (const other of cpus) if (other !== cpu && other.mm !== NO_MM) switch_mm(other, NO_MM);
  mmput(cpu, parent);
  mmput(cpu, child);
  dropFilePages(cpu, file);
  freeFile(cpu, file);
  cpuOffline(cpu);
}

/** What a sweep finds, a line each. */
export const found = (cpu: Cpu): string[] => sweep(cpu).map(({ id, message }) => `${id} ${message}`);

/** @throws Error with what the sweep finds */
export function assertSound(cpu: Cpu, when = 'at rest'): void {
  const lines = found(cpu);
  if (lines.length > 0) throw new Error(`${when} the sweep finds:\n  ${lines.slice(0, 12).join('\n  ')}`);
}

/** @throws Error when anything of the machine is still in use */
export function assertAllBack(m: SharedMemory): void {
  assert.is(nr_free_pages(m), m.size.frames - 1, 'frames');
  for (const { cache, name } of cachePlaces(m.size)) assert.is(kmem_cache_in_use(m, cache), 0, name);
}

export const areaAt = ({ cpu, m }: World, mm: MmId, page: number): VmaId => mas_walk(cpu, mmTree(m, mm), page as Vpn);
export const tableAt = ({ cpu }: World, mm: MmId, page: number): TableId => findPteTable(cpu, mm, page as Vpn);
/** The word of the entry of a page that has a table. */
export const entryAt = (machine: World, mm: MmId, page: number): Word => pteWord(machine.m, tableAt(machine, mm, page), page as Vpn);
/** The frame that a page is mapped to. */
export const frameAt = (machine: World, mm: MmId, page: number): Pfn => pte_pfn(machine.m.words[entryAt(machine, mm, page)] as Pte);
/** Changes a word behind everybody's back. */
export function add(machine: World, word: number, delta: number): void {
  machine.m.words[word] = (machine.m.words[word] as number) + delta;
}
export function put(machine: World, word: number, value: number): void {
  machine.m.words[word] = value;
}
