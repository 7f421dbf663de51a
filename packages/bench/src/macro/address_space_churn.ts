/**
 * How many processes live and die in a second: an address space is made, 100 pages are mapped and faulted in, it is forked, and both end. Each thread has
 * its own processes; what they share are frames, slots and grace periods.
 * Next: core's syscalls/dup_mmap.ts, syscalls/exit_mmap.ts
 */
import type { MmId, Vpn } from '@faultlab/core/base/brand';
import { NO_MAPPING, NO_MM } from '@faultlab/core/base/brand';
import { createCpu, createMachineMemory } from '@faultlab/core/boot';
import type { Cpu } from '@faultlab/core/cpu';
import { rcu_process_callbacks } from '@faultlab/core/locking/rcu';
import { DEFAULT_SIZE } from '@faultlab/core/memory/limits';
import type { SharedMemory } from '@faultlab/core/memory/shared_memory';
import { mm_alloc } from '@faultlab/core/mm/mm_struct';
import { MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, PROT_READ, PROT_WRITE } from '@faultlab/core/mm/mman';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import { rcu_note_quiescent } from '@faultlab/core/sched/rcu_state';
import { sys_fork } from '@faultlab/core/syscalls/dup_mmap';
import { mmput } from '@faultlab/core/syscalls/exit_mmap';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';
import { userWrite } from '@faultlab/core/user/access';
import { FIRST, must } from '../areas.ts';
import type { Benchmark, Row } from '../benchmark.ts';
import { type GangResult, runGang } from '../gang.ts';
import type { Work } from '../work.ts';

/** Lives a second on two cores. */
const TARGET = 2_000;
const JUDGED_THREADS = 2;
/** Of the cores that the threads could use, so many they must have had. */
const UNDISTURBED = 1.8;
const PAGES = 100;
const THREADS: readonly number[] = [1, 2];
/** What compiling costs is not the processes'. */
const WARM_UP = 200;

/** Made, filled, forked, ended. The CPU is on no address space before and afterwards. */
function live(cpu: Cpu): void {
  const mm = mm_alloc(cpu);
  if (mm === NO_MM) throw new Error('the machine is too small for its processes');
  switch_mm(cpu, mm);
  must(sys_mmap(cpu, FIRST, PAGES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, NO_MAPPING, 0));
  for (let page = 0; page < PAGES; page++) must(-userWrite(cpu, (FIRST + page) as Vpn, page + 1));
  const child = sys_fork(cpu);
  must(child);
  mmput(cpu, child as MmId);
  switch_mm(cpu, NO_MM);
  mmput(cpu, mm);
  rcu_note_quiescent(cpu);
  rcu_process_callbacks(cpu);
}

export const churnWorks: readonly Work[] = [
  {
    name: 'address_space_churn',
    run: ({ cpu: { id, memory }, until }) => {
      const cpu = createCpu({ id, memory, now: () => performance.now() });
      for (let i = 0; i < WARM_UP && performance.now() < until; i++) live(cpu);
      const since = performance.now();
      let lives = 0;
      for (; performance.now() < until; lives++) live(cpu);
      return { operations: lives, extra: performance.now() - since };
    },
  },
];

const memoryForProcesses = (cpus: number): SharedMemory => createMachineMemory({ ...DEFAULT_SIZE, cpus, traceEntries: 0, userWords: 2048 });

export const addressSpaceChurn: Benchmark = {
  name: 'address_space_churn',
  question: 'how many address spaces are made, filled with 100 pages, forked and ended in a second?',
  run: async (smoke) => {
    const rows: Row[] = [];
    for (const threads of THREADS)
      rows.push(rowOf(await runGang('address_space_churn', threads, smoke ? 20 : 4_000, memoryForProcesses(threads)), threads));
    return rows;
  },
};

function rowOf({ replies, cpus }: GangResult, threads: number): Row {
  const value = replies.reduce((sum, { operations, extra }) => sum + operations / (Math.max(extra, 1) / 1000), 0);
  const row: Row = { task: `${threads} threads`, value, unit: 'lives/s', detail: `${cpus.toFixed(2)} CPUs received` };
  if (threads !== JUDGED_THREADS) return row;
  const undisturbed = cpus >= UNDISTURBED;
  return { ...row, target: `>= ${TARGET}`, ...(undisturbed || value >= TARGET ? { met: value >= TARGET } : {}) };
}
