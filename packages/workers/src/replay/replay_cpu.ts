/**
 * Replays threads of a trace on one CPU: wait for what the order demands, do the operation, compare, say that it is done.
 * This module is a work: the machine calls its default export on the thread of each CPU.
 * Next: completion.ts, carry_out.ts, compare_areas.ts
 */
import type { Vpn } from '@faultlab/core/base/brand';
import { EINVAL } from '@faultlab/core/base/errno';
import type { Cpu } from '@faultlab/core/cpu';
import { rcu_barrier } from '@faultlab/core/locking/rcu';
import { PC_OP_INDEX, PC_OP_KIND } from '@faultlab/core/memory/percpu';
import { userExecute, userRead, userWrite } from '@faultlab/core/user/access';
import { PF_INSTR, PF_WRITE } from '../perf_script/events.ts';
import { OpKind } from '../perf_script/timeline.ts';
import { betweenOps } from '../program/calls.ts';
import { FaultPathProbe, NO_PATH } from '../program/fault_path.ts';
import { LatencyRecorder, pathIndex } from '../program/latency.ts';
import type { WorkContext } from '../work.ts';
import { carryOutCall, mappingOf } from './carry_out.ts';
import { compareAreas } from './compare_areas.ts';
import { awaitCompleted, awaitTime, publishCompleted } from './completion.ts';
import { FaultCounts } from './fault_counts.ts';
import { Insistence } from './insist.ts';
import { makeKernelArea } from './kernel_area.ts';
import type { CallStep, ModelArea, ReplayOrder, ReplayProgram, Step } from './replay_program.ts';
import { Spaces } from './spaces.ts';

/** Something that did not go as in the trace. `got` is a result or an access outcome; for an area what the model has, null for nothing. */
export type RawDifference = { readonly thread: number; readonly seq: number } & (
  | { readonly what: 'fault'; readonly got: number }
  | { readonly what: 'call'; readonly got: number }
  | { readonly what: 'area'; readonly index: number; readonly got: ModelArea | null }
);

/** What one CPU brings back. */
export interface ReplayCpuResult {
  readonly ops: number;
  readonly faults: number;
  /** See FaultCounts. */
  readonly faultCounts: readonly number[];
  /** Faults that had to be refused with a signal, and were. */
  readonly refusedAsExpected: number;
  readonly unexpected: number;
  readonly areas: number;
  readonly areasAgreeing: number;
  /** Calls that were not carried out, by reason. */
  readonly skipped: Readonly<Record<string, number>>;
  /** Operations that had to sleep until another thread was as far as in the trace. */
  readonly orderSleeps: number;
  /** Operations that were done again, because an injection had ended them. */
  readonly repeated: number;
  readonly differences: readonly RawDifference[];
  readonly finished: boolean;
}

/** What an access answers when the model lacks the address space, because an earlier operation failed. */
export const NO_ADDRESS_SPACE = -1;

const NS_PER_MS = 1e6;
const EXPECTED_ACCESS = [0, 1, 2] as const;
const STEP_PATHS: ReadonlyMap<number, number> = new Map([
  [OpKind.mmap, pathIndex('mmap')],
  [OpKind.munmap, pathIndex('munmap')],
  [OpKind.mprotect, pathIndex('mprotect')],
  [OpKind.mremap, pathIndex('mremap')],
  [OpKind.madvise, pathIndex('madvise')],
  [OpKind.brk, pathIndex('brk')],
  [OpKind.fork, pathIndex('fork')],
]);

export default function replayCpu(context: WorkContext, order: ReplayOrder): ReplayCpuResult {
  const replayer = new Replayer(context, order);
  context.arrive();
  replayer.run();
  rcu_barrier(context.cpu);
  return replayer.result();
}

class Replayer {
  readonly #context: WorkContext;
  readonly #cpu: Cpu;
  readonly #order: ReplayOrder;
  readonly #spaces: Spaces;
  readonly #probe: FaultPathProbe;
  readonly #latency: LatencyRecorder;
  readonly #faultCounts = new FaultCounts();
  readonly #skipped = new Map<string, number>();
  readonly #differences: RawDifference[] = [];
  readonly #stopped: () => boolean;
  readonly #insistence: Insistence | undefined;
  #startMs = 0;
  #ops = 0;
  #faults = 0;
  #refusedAsExpected = 0;
  #unexpected = 0;
  #areas = 0;
  #areasAgreeing = 0;
  #orderSleeps = 0;
  #finished = true;

  constructor(context: WorkContext, order: ReplayOrder) {
    const { cpu, arena } = context;
    this.#context = context;
    this.#cpu = cpu;
    this.#order = order;
    this.#spaces = new Spaces(cpu, order.map, order.stackPagesMax);
    this.#probe = new FaultPathProbe(cpu);
    this.#latency = new LatencyRecorder(cpu.memory.user, arena.latency(cpu.id));
    this.#stopped = () => context.stopRequested();
    this.#insistence = order.troubles === undefined ? undefined : new Insistence(cpu, order.troubles);
  }

  run(): void {
    this.#startMs = this.#cpu.now();
    for (const program of this.#order.programs) {
      for (let seq = 0; seq < program.kind.length; seq++) {
        if (!this.#turn(program, seq)) {
          this.#finished = false;
          this.#spaces.leave();
          return;
        }
      }
    }
  }

  result(): ReplayCpuResult {
    return {
      ops: this.#ops,
      faults: this.#faults,
      faultCounts: this.#faultCounts.list(),
      refusedAsExpected: this.#refusedAsExpected,
      unexpected: this.#unexpected,
      areas: this.#areas,
      areasAgreeing: this.#areasAgreeing,
      skipped: Object.fromEntries(this.#skipped),
      orderSleeps: this.#orderSleeps,
      repeated: this.#insistence?.repeated ?? 0,
      differences: this.#differences,
      finished: this.#finished,
    };
  }

  /** One operation, from its waits to its completion. @returns false when the run is to end */
  #turn(program: ReplayProgram, seq: number): boolean {
    const cpu = this.#cpu;
    cpu.words[cpu.percpu + PC_OP_INDEX] = seq;
    cpu.words[cpu.percpu + PC_OP_KIND] = program.thread;
    this.#waitForOrder(program, seq);
    if (this.#order.speed === 'recorded') this.#waitForTime(program, seq);
    if (this.#context.stopRequested()) return false;
    if (program.kind[seq] === OpKind.fault) this.#fault(program, seq);
    else this.#step(program, seq, program.steps[program.value[seq] as number] as Step);
    // Whoever waits for the end of a thread may tear its address space down: nobody must run on it then.
    if (seq === program.kind.length - 1) this.#spaces.leave();
    if (program.awaited[seq] === 1) publishCompleted(cpu, program.thread, seq + 1);
    this.#ops++;
    this.#context.progress();
    betweenOps(cpu);
    return true;
  }

  #waitForOrder({ waits }: ReplayProgram, seq: number): void {
    const end = waits.start[seq + 1] as number;
    for (let index = waits.start[seq] as number; index < end; index++) {
      const slept = awaitCompleted(this.#cpu, waits.thread[index] as number, waits.count[index] as number, this.#stopped);
      if (slept) this.#orderSleeps++;
    }
  }

  #waitForTime({ timeMs }: ReplayProgram, seq: number): void {
    // A pause of the program is no stall.
    const stopped = (): boolean => {
      this.#context.progress();
      return this.#stopped();
    };
    awaitTime(this.#cpu, this.#startMs + (timeMs[seq] as number), stopped);
  }

  #fault(program: ReplayProgram, seq: number): void {
    const cpu = this.#cpu;
    const code = program.code[seq] as number;
    this.#faults++;
    if (!this.#spaces.enter(program.space[seq] as number)) {
      this.#differ({ thread: program.thread, seq, what: 'fault', got: NO_ADDRESS_SPACE });
      return;
    }
    const page = program.value[seq] as Vpn;
    this.#probe.begin();
    const startMs = cpu.now();
    const access = (): number =>
      (code & PF_WRITE) !== 0 ? userWrite(cpu, page, seq + 1) : (code & PF_INSTR) !== 0 ? userExecute(cpu, page) : userRead(cpu, page);
    const expected = EXPECTED_ACCESS[program.outcome[seq] as number] as number;
    const got = this.#insistence === undefined ? access() : this.#insistence.until(expected, access);
    const path = this.#probe.end(got === 0);
    if (path !== NO_PATH) this.#latency.record(path, (cpu.now() - startMs) * NS_PER_MS);
    this.#faultCounts.add(code, path);
    if (got !== expected) this.#differ({ thread: program.thread, seq, what: 'fault', got });
    else if (got !== 0) this.#refusedAsExpected++;
    const grown = program.growth.get(seq);
    if (grown !== undefined) this.#compare(program, seq, [grown]);
  }

  #step(program: ReplayProgram, seq: number, step: Step): void {
    const space = program.space[seq] as number;
    const path = STEP_PATHS.get(program.kind[seq] as number);
    const ready = step.do === 'exec' || step.do === 'exit' || step.do === 'clone' || step.do === 'skip' || this.#spaces.enter(space);
    const startMs = this.#cpu.now();
    const expected = step.do === 'call' ? step.expected : 0;
    const got = ready ? this.#carryOutForSure(step, space, expected) : EINVAL;
    if (path !== undefined && step.do !== 'skip') this.#latency.record(path, (this.#cpu.now() - startMs) * NS_PER_MS);
    if (got !== expected) this.#differ({ thread: program.thread, seq, what: 'call', got });
    if (!ready) return;
    if (step.do === 'call') this.#compare(program, seq, step.areas);
    if (step.do === 'area') this.#compare(program, seq, [step.area]);
  }

  /** The same, also when injections are in the way. */
  #carryOutForSure(step: Step, space: number, expected: number): number {
    if (this.#insistence === undefined) return this.#carryOut(step, space);
    const got = this.#insistence.until(expected, () => this.#carryOut(step, space));
    if (step.do === 'call' && got === expected) this.#insistence.afterMove(step);
    return got;
  }

  /** @returns a result as that of a system call; 0 for what has none */
  #carryOut(step: Step, space: number): number {
    const { map } = this.#order;
    switch (step.do) {
      case 'call':
        return carryOutCall(this.#cpu, map, step as CallStep);
      case 'skip':
        this.#skipped.set(step.why, (this.#skipped.get(step.why) ?? 0) + 1);
        return 0;
      case 'area':
        return makeKernelArea(this.#cpu, step.area, step.style, mappingOf(this.#cpu, map, step.area.file));
      case 'clone':
        return 0;
      case 'fork':
        return this.#spaces.fork(step.childSpace);
      case 'exec':
        this.#spaces.end(space);
        return this.#spaces.create(step.space, step.heap);
      case 'exit':
        this.#spaces.leave();
        if (step.last) this.#spaces.end(space);
        return 0;
    }
  }

  #compare(program: ReplayProgram, seq: number, reported: readonly ModelArea[]): void {
    if (reported.length === 0) return;
    compareAreas(this.#cpu, this.#order.map, reported, this.#order.troubles?.allocFailures).forEach((got, index) => {
      this.#areas++;
      if (got === undefined) this.#areasAgreeing++;
      else this.#keep({ thread: program.thread, seq, what: 'area', index, got });
    });
  }

  #differ(difference: RawDifference): void {
    this.#unexpected++;
    this.#keep(difference);
  }

  #keep(difference: RawDifference): void {
    if (this.#differences.length < this.#order.keep) this.#differences.push(difference);
  }
}
