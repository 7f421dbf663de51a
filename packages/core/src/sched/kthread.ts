/**
 * Background threads of a machine: CPUs without a program, which sleep until there is work for them. One thing wakes such a thread for good: whoever
 * has work says so in a word of its own before the wake-up, so that a thread which is about to sleep finds it.
 *
 *   thread                                    CPU with work
 *   1 takes the word, finds nothing to do
 *   2 announces its sleep
 *                                             3 there is work; sets the word
 *   4 looks at the word: set                  5 wakes whoever sleeps
 *   6 does not sleep  <- decides: 4 or 5 sees the other, never neither
 *
 * Between runs the threads rest: they have given everything back that a CPU keeps to itself, so that whoever looks at the machine finds it still.
 * @kernel kernel/kthread.c kthread_run(), kthread_park(); fs/fs-writeback.c wb_workfn(); mm/vmscan.c kswapd()
 * @fidelity reduced: each has a CPU of its own; no work queues
 * Next: io/writeback_thread.ts, reclaim/kswapd.ts, reclaim/oom_reaper.ts
 */
import type { CpuId, Word } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { atomic_read, atomic_set, atomic_xchg } from '../memory/atomic.ts';
import { H_KTHREAD } from '../memory/header.ts';
import { beginWait, checkFreeze, endWait, park } from '../memory/park.ts';
import { PC_PROGRESS, WAIT_WORK } from '../memory/percpu.ts';
import type { SharedMemory } from '../memory/shared_memory.ts';
import { rcu_note_quiescent } from './rcu_state.ts';
import { __set_current_state_running, schedule_timeout, set_current_state, TASK_UNINTERRUPTIBLE, wake_up_process } from './task.ts';

/** Every kind of thread, by its number. A machine has at most one of each. */
export const KTHREAD_NAMES = ['writeback', 'kswapd', 'oom_reaper'] as const;
export type KthreadName = (typeof KTHREAD_NAMES)[number];
export type KthreadId = number;
export const KTHREAD_WRITEBACK: KthreadId = 0;
export const KTHREAD_KSWAPD: KthreadId = 1;
export const KTHREAD_OOM_REAPER: KthreadId = 2;

/** Room for so many kinds. */
export const KTHREADS_MAX = 3;
/** Odd: all threads are asked to rest. Each number is another rest. Changed from outside only. */
export const KTHREAD_REST: Word = H_KTHREAD;
/** 1 + the CPU of the thread; 0: there is none. Written before the thread starts. */
const cpuOf = (id: KthreadId): Word => (H_KTHREAD + 1 + id) as Word;
/** Non-zero: there is work. */
const workWord = (id: KthreadId): Word => (H_KTHREAD + 1 + KTHREADS_MAX + id) as Word;
/** The rest that the thread takes, or the last one that it took. */
export const restingWord = (id: KthreadId): Word => (H_KTHREAD + 1 + 2 * KTHREADS_MAX + id) as Word;

/** What a thread does. */
export interface KthreadWork {
  /** Some work, if there is any. May sleep. @locks none in, none out. @returns whether it did something, so that it is asked again at once */
  pass(cpu: Cpu): boolean;
  /** It is asked again after so many milliseconds, also when nobody wakes it. */
  periodMs(cpu: Cpu): number;
}

/** How a CPU leaves the machine for a rest and comes back: boot's cpuOffline() and cpuOnline(). */
export interface KthreadRest {
  leave(cpu: Cpu): void;
  enter(cpu: Cpu): void;
}

/** This CPU will be the thread of that kind, which begins with a rest. @locks none: before it starts */
export function registerKthread(m: SharedMemory, id: KthreadId, cpu: number): void {
  m.words[KTHREAD_REST] = 1;
  m.words[cpuOf(id)] = cpu + 1;
}

/** There is no such thread any more. @locks none: it does not run */
export function forgetKthread(m: SharedMemory, id: KthreadId): void {
  m.words[cpuOf(id)] = 0;
}

/** The CPU of the thread, or -1: there is no such thread. */
export const kthreadCpu = (m: SharedMemory, id: KthreadId): number => (m.words[cpuOf(id)] as number) - 1;

/** Is this CPU a thread that takes the rest that is asked for? */
export function kthreadRests(m: SharedMemory, cpu: number): boolean {
  for (let id = 0; id < KTHREADS_MAX; id++) {
    if (kthreadCpu(m, id) === cpu) return (m.words[KTHREAD_REST] as number) % 2 === 1 && m.words[restingWord(id)] === m.words[KTHREAD_REST];
  }
  return false;
}

/** Is there such a thread? If not, whoever wants its work done does it himself, or does without. */
export const hasKthread = (m: SharedMemory, id: KthreadId): boolean => m.words[cpuOf(id)] !== 0;

/** There is work for the thread, if there is such a thread. Never sleeps. @kernel wb_wakeup(), wakeup_kswapd() */
export function wakeKthread(cpu: Cpu, id: KthreadId): void {
  const target = cpu.words[cpuOf(id)] as number;
  if (target === 0 || target === cpu.id + 1) return;
  // Whoever has set it before, wakes; the thread has not taken it yet, and will see what this CPU has for it.
  if (atomic_read(cpu, workWord(id)) !== 0) return; // Pairs with: kthread(), which takes it before it looks for work.
  atomic_set(cpu, workWord(id), 1); // Before the look at the state. Pairs with: kthread().
  wake_up_process(cpu, (target - 1) as CpuId);
}

/** The life of a thread: works until the machine is frozen. @throws MachineStopped then; what its work throws */
export function kthread(cpu: Cpu, id: KthreadId, work: KthreadWork, rest: KthreadRest): never {
  const word = workWord(id);
  const progress = cpu.percpu + PC_PROGRESS;
  for (;;) {
    checkFreeze(cpu);
    takeRest(cpu, id, rest);
    rcu_note_quiescent(cpu);
    atomic_xchg(cpu, word, 0); // Before the look for work. Pairs with: wakeKthread().
    const worked = work.pass(cpu);
    cpu.words[progress] = ((cpu.words[progress] as number) + 1) | 0;
    if (worked) continue;
    set_current_state(cpu, TASK_UNINTERRUPTIBLE); // Before the look at the word. Pairs with: wakeKthread(), askForRest().
    if (atomic_read(cpu, word) !== 0 || restAsked(cpu)) __set_current_state_running(cpu);
    else schedule_timeout(cpu, WAIT_WORK, word, work.periodMs(cpu));
  }
}

const restAsked = (cpu: Cpu): boolean => (atomic_read(cpu, KTHREAD_REST) & 1) !== 0;

/** Does nothing unless a rest is asked for. */
function takeRest(cpu: Cpu, id: KthreadId, { leave, enter }: KthreadRest): void {
  const asked = atomic_read(cpu, KTHREAD_REST); // Pairs with: askForRest().
  if ((asked & 1) === 0) return;
  leave(cpu);
  atomic_set(cpu, restingWord(id), asked); // Everything is given back. Pairs with: allRest().
  beginWait(cpu, WAIT_WORK, KTHREAD_REST);
  while (atomic_read(cpu, KTHREAD_REST) === asked) park(cpu, KTHREAD_REST, asked); // Pairs with: endRest().
  endWait(cpu);
  enter(cpu);
}
