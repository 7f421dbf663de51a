/**
 * Forced triggers of queues: of mmap_lock and of a folio lock. A CPU that sleeps in a queue is left there: its call is given up, its entry in the
 * queue stays, and whether somebody wakes it is seen in the word that a waker would write.
 * Next: page_triggers.ts
 */
import type { CpuId, Pfn } from '@faultlab/core/base/brand';
import { createCpu } from '@faultlab/core/boot';
import type { Cpu } from '@faultlab/core/cpu';
import { RWSEM_READER_BIAS, RWSEM_READER_MASK, SEM_COUNT, semWord } from '@faultlab/core/locking/rwsem_word';
import { W_TASK, waiterWord } from '@faultlab/core/locking/wait_list';
import { atomic_fetch_add } from '@faultlab/core/memory/atomic';
import { PC_TASK_STATE } from '@faultlab/core/memory/percpu';
import { PARK_NOT_EQUAL, type StepGate } from '@faultlab/core/memory/step_gate';
import { folio_lock, folio_unlock } from '@faultlab/core/mm/folio_lock';
import { mmapLockWord } from '@faultlab/core/mm/mm_struct';
import {
  mmap_read_lock,
  mmap_read_unlock,
  mmap_write_lock,
  mmap_write_lock_killable,
  mmap_write_unlock,
} from '@faultlab/core/mm/mmap_lock';
import { findPteTable, ptep_get, pteWord } from '@faultlab/core/mm/page_table';
import { pte_pfn } from '@faultlab/core/mm/pte';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import { SIGKILL, send_signal, TASK_RUNNING, takeSignals, wake_up_process } from '@faultlab/core/sched/task';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { BEFORE_PTL } from '@faultlab/core/trace/points';
import { userWrite } from '@faultlab/core/user/access';
import { AREA, type OneThreadMachine } from '../../fault_kinds/one_thread_machine.ts';
import { expect, type ForcedTrigger, tryFault } from './forced_trigger.ts';

/** Longer than a waiter at the head of the queue of a rwsem is patient. */
const IMPATIENT_MS = 6;

/** What ends the call of a CPU that is to stay in its queue. */
class LeftAsleep extends Error {}

/** Makes the call, and leaves the CPU where it goes to sleep. */
function leaveAsleep(cpu: Cpu, call: () => void): void {
  const { idle } = cpu;
  cpu.idle = () => {
    throw new LeftAsleep();
  };
  try {
    call();
  } catch (error) {
    if (!(error instanceof LeftAsleep)) throw error;
  }
  cpu.idle = idle;
}

const sleeps = (cpu: Cpu): boolean => cpu.words[cpu.percpu + PC_TASK_STATE] !== TASK_RUNNING;

/** A third CPU of the thread. */
const third = ({ other }: OneThreadMachine, gate: StepGate | null = null): Cpu =>
  createCpu({ id: 2 as CpuId, memory: other.memory, now: other.now, policy: other.policy, verify: true, gate });

function frameAt(machine: OneThreadMachine): Pfn {
  const { cpu, mm } = machine;
  machine.map(1);
  userWrite(cpu, AREA, 1);
  return pte_pfn(ptep_get(cpu, pteWord(cpu.memory, findPteTable(cpu, mm, AREA), AREA)));
}

export const QUEUE_TRIGGERS: readonly ForcedTrigger[] = [
  {
    mutants: ['B33b'],
    abandoned: true,
    run: (machine) => {
      const { cpu, other } = machine;
      const keeper = third(machine);
      const pfn = frameAt(machine);
      folio_lock(keeper, pfn);
      let queued = false;
      other.idle = () => {
        if (!queued) leaveAsleep(cpu, () => folio_lock(cpu, pfn));
        queued = true;
        folio_unlock(keeper, pfn); // Wakes the first, which is the other.
        return true;
      };
      folio_lock(other, pfn);
      folio_unlock(other, pfn);
      expect(!sleeps(cpu), 'L03', 'a waiter sleeps on, and the folio is unlocked');
    },
  },
  {
    mutants: ['B34b'],
    run: (machine) => {
      const { cpu, other, mm } = machine;
      mmap_read_lock(other, mm);
      const impatient = (): void => {
        for (const until = other.now() + IMPATIENT_MS; other.now() < until; );
        wake_up_process(other, cpu.id);
      };
      machine.whenIdle(impatient);
      machine.whenIdle(impatient);
      machine.whenIdle(() => mmap_read_unlock(other, mm));
      mmap_write_lock(cpu, mm);
      mmap_write_unlock(cpu, mm);
    },
  },
  {
    mutants: ['B34c'],
    abandoned: true,
    run: (machine) => {
      const { cpu, other, mm } = machine;
      const keeper = third(machine);
      mmap_write_lock(keeper, mm);
      let queued = false;
      other.idle = () => {
        if (!queued) leaveAsleep(cpu, () => mmap_write_lock(cpu, mm));
        queued = true;
        send_signal(keeper, other.id, SIGKILL);
        mmap_write_unlock(keeper, mm); // Wakes the first, which is the other, and is dead.
        mmap_read_lock(keeper, mm); // Somebody is faster; nobody but the queue itself wakes the next one.
        return true;
      };
      const killed = mmap_write_lock_killable(other, mm) !== 0;
      takeSignals(other);
      expect(killed && !sleeps(cpu), 'L03', 'a waiter sleeps on although the one before it has left the queue');
    },
  },
  {
    mutants: ['B44'],
    abandoned: true,
    run: (machine) => {
      const { cpu, other, mm } = machine;
      machine.map(1);
      switch_mm(other, mm);
      machine.atPoint(cpu, BEFORE_PTL, () => leaveAsleep(other, () => sys_munmap(other, AREA, 1))); // It waits for this reader of the area.
      tryFault(cpu, AREA, true);
    },
  },
  {
    mutants: ['B34d'],
    abandoned: true,
    run: (machine) => {
      const { cpu, other, mm } = machine;
      const sem = mmapLockWord(cpu.memory, mm);
      const count = semWord(sem, SEM_COUNT);
      const marks = [cpu, other].map((reader) => waiterWord(reader, reader.id + 1, W_TASK));
      let watching = false;
      // Both readers go on as soon as their marks are gone, before the waker makes its next step, and take their biases out again.
      const gate: StepGate = {
        step: (_cpu, _kind, word) => {
          if (!watching || word !== count || marks.some((mark) => cpu.words[mark] !== 0)) return;
          watching = false;
          for (const reader of [cpu, other]) {
            const before = atomic_fetch_add(reader, count, -RWSEM_READER_BIAS); // As up_read() does.
            expect((before & RWSEM_READER_MASK) !== 0, 'I02', 'a reader leaves that the count does not show');
          }
        },
        park: () => PARK_NOT_EQUAL,
        unpark: () => 0,
      };
      const keeper = third(machine, gate);
      mmap_write_lock(keeper, mm);
      leaveAsleep(cpu, () => mmap_read_lock(cpu, mm));
      leaveAsleep(other, () => mmap_read_lock(other, mm));
      watching = true;
      mmap_write_unlock(keeper, mm);
    },
  },
];
