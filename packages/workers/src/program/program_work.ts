/**
 * Runs a program on a CPU: next operation, log it, do it, judge it, count it, and now and then time it.
 * Next: execute_op.ts
 */
import { PC_OP_INDEX, PC_OP_KIND } from '@faultlab/core/memory/percpu';
import { leftCount } from '../doorbell.ts';
import type { WorkContext } from '../work.ts';
import { type Actor, createActor } from './actor.ts';
import { betweenOps, dropSpace, enterSpace, handleSignals, settle, useSpace } from './calls.ts';
import { OpSource } from './draw_op.ts';
import { executeOp, prepareOp } from './execute_op.ts';
import { FaultKindProbe } from './fault_kind.ts';
import { callPath, FaultPathProbe, isServed, NO_PATH } from './fault_path.ts';
import { keptOps } from './kept_ops.ts';
import { LatencyRecorder } from './latency.ts';
import { isTouch, type Op, op } from './op.ts';
import { OpLog } from './op_log.ts';
import { type OutcomeCount, OutcomeCounts } from './outcome_counts.ts';
import type { Program } from './program.ts';

export interface ProgramOrder {
  readonly program: Program;
  /** The address space to run on, made by the setup work. */
  readonly home: number;
  /** The model's numbers of the files of the run. */
  readonly files: readonly number[];
  /** CPUs of the run, devices not counted. */
  readonly cpus: number;
  /** How many of them, the last ones, only serve the others. */
  readonly helpers: number;
}

export interface ProgramResult {
  readonly ops: number;
  readonly outcomes: readonly OutcomeCount[];
}

/** A clock reading costs as much as a short operation, so only every eighth access and every second call is timed. */
export const TIMED_ACCESSES = 8;
export const TIMED_CALLS = 2;

export default function runProgram(context: WorkContext, order: ProgramOrder): ProgramResult {
  const { cpu } = context;
  useSpace(cpu, order.home);
  enterSpace(cpu, order.home);
  const run = new ProgramRun(context, order);
  for (const operation of order.program.setup ?? []) run.execute({ ...operation });
  context.arrive();
  run.body();
  enterSpace(cpu, 0);
  dropSpace(cpu, order.home);
  settle(cpu);
  return run.result();
}

class ProgramRun {
  readonly #context: WorkContext;
  readonly #order: ProgramOrder;
  readonly #program: Program;
  readonly #actor: Actor;
  readonly #log: OpLog;
  readonly #latency: LatencyRecorder;
  readonly #probe: FaultPathProbe;
  readonly #kind: FaultKindProbe;
  readonly #outcomes = new OutcomeCounts();
  #ops = 0;

  constructor(context: WorkContext, order: ProgramOrder) {
    const { cpu, arena } = context;
    this.#context = context;
    this.#order = order;
    this.#program = order.program;
    this.#actor = createActor(cpu, arena, order.home, order.program, order.files, order.cpus - order.helpers);
    this.#log = new OpLog(cpu.memory.user, arena, cpu.id);
    this.#latency = new LatencyRecorder(cpu.memory.user, arena.latency(cpu.id));
    this.#probe = new FaultPathProbe(cpu);
    this.#kind = new FaultKindProbe(cpu, order.program.regions, this.#actor.files);
  }

  body(): void {
    const { body, only } = this.#program;
    const { cpu, seed } = this.#context;
    const next = op('nop');
    if (only !== undefined) {
      const cpus = this.#order.cpus - this.#order.helpers;
      for (const operation of keptOps(this.#program, only, seed, cpu.id, cpus)) {
        if (this.#context.stopRequested()) return;
        this.execute(operation);
      }
      return;
    }
    if ('draw' in body) {
      const source = new OpSource(body.draw, this.#program, seed, cpu.id, this.#order.cpus - this.#order.helpers);
      for (let round = 0; this.#goesOn(round); round++) {
        source.draw(next);
        this.execute(next);
      }
      return;
    }
    for (let round = 0; this.#goesOn(round); round++) {
      for (const operation of body.list) {
        if (!this.#goesOn(round)) return;
        Object.assign(next, operation);
        this.execute(next);
      }
    }
  }

  /** A helper may not leave anybody waiting for it. */
  #goesOn(round: number): boolean {
    const stopped = this.#context.stopRequested();
    const { helper = false, count = Number.POSITIVE_INFINITY } = this.#program;
    if (helper) return leftCount(this.#context.cpu.memory) < this.#order.cpus - this.#order.helpers;
    return !stopped && round < count;
  }

  /** One operation. Writes without a stamp are given one. */
  execute(operation: Op): void {
    const { cpu } = this.#context;
    prepareOp(this.#actor, operation);
    cpu.words[cpu.percpu + PC_OP_INDEX] = this.#ops;
    cpu.words[cpu.percpu + PC_OP_KIND] = operation.kind;
    this.#log.begin(operation);
    const every = isTouch(operation.kind) ? TIMED_ACCESSES : TIMED_CALLS;
    const result = this.#ops % every === 0 ? this.#timed(operation) : executeOp(this.#actor, operation);
    this.#log.end(result);
    this.#outcomes.add(operation.kind, result);
    this.#ops++;
    this.#context.progress();
    if (this.#actor.signals) handleSignals(cpu);
    betweenOps(cpu);
    this.#context.atRest?.();
  }

  result(): ProgramResult {
    return { ops: this.#ops, outcomes: this.#outcomes.list() };
  }

  #timed(operation: Op): number {
    const { cpu } = this.#context;
    this.#probe.begin();
    this.#kind.begin();
    const startMs = cpu.now();
    const result = executeOp(this.#actor, operation);
    const ns = (cpu.now() - startMs) * 1e6;
    const byKind = callPath(operation.kind);
    const path = byKind === NO_PATH && isTouch(operation.kind) ? this.#probe.end(result === 0) : byKind;
    this.#record(path, ns);
    if (isServed(path)) this.#record(this.#kind.end(operation.a), ns);
    return result;
  }

  #record(path: number, ns: number): void {
    if (path !== NO_PATH) this.#latency.record(path, ns);
  }
}
