/**
 * One CPU's part of a schedule: a fresh Cpu with the gate, the work, and what it threw.
 * Next: gate.ts
 */
import type { CpuId } from '@faultlab/core/base/brand';
import { InvariantError } from '@faultlab/core/base/errors';
import { cpuOnline, createCpu } from '@faultlab/core/boot';
import type { Cpu } from '@faultlab/core/cpu';
import { rcu_idle_enter, rcu_idle_exit } from '@faultlab/core/locking/rcu';
import { checkFreeze, endWait } from '@faultlab/core/memory/park';
import { PC_PROGRESS, PC_RUN_STATE, PC_TASK_STATE, RUN_DONE } from '@faultlab/core/memory/percpu';
import { TASK_RUNNING } from '@faultlab/core/sched/task';
import type { InjectionPlan } from '@faultlab/core/trace/injector';
import { isStopped, leave } from '../doorbell.ts';
import { machineState } from '../machine_state.ts';
import type { WorkContext } from '../work.ts';
import { B_CLOSING, B_ENDED, B_PROGRAM_SEED, B_RACES, B_SCHEDULE, B_STEPS, ENDED_DEADLOCK, ENDED_THROWN, ENDED_WELL } from './board.ts';
import { collectEvidence, type Evidence } from './evidence.ts';
import type { Finding, RacePair } from './finding.ts';
import type { LockstepGate } from './gate.ts';
import { LaneRecorder } from './lane_recorder.ts';
import type { LaneStep } from './lane_step.ts';
import type { LockstepOrder, PartWork, WatchedAccess } from './lockstep_order.ts';
import { type Access, RaceDetector } from './races/race_detector.ts';
import { raceMessage, racyStack } from './races/race_text.ts';
import { recordedMemory } from './races/recording_view.ts';
import { everybodyRests, noteRest, sweepAtRest } from './rest_sweep.ts';
import { siteOf, withoutNumbers } from './site.ts';
import { stateLines } from './state_lines.ts';

/** Findings that a thread keeps. */
const FINDINGS_KEPT = 16;
/** Accesses to a watched word that a thread keeps. */
const WATCHED_KEPT = 256;

export class CpuPart {
  readonly #context: WorkContext;
  readonly #order: LockstepOrder;
  readonly #gate: LockstepGate;
  readonly #work: PartWork;
  readonly findings: Finding[] = [];
  evidence: Evidence | undefined;
  /** The last accesses to the word that is watched. */
  readonly watched: WatchedAccess[] = [];
  #races: RaceDetector | null = null;
  #lanes: LaneRecorder | null = null;

  constructor(context: WorkContext, order: LockstepOrder, gate: LockstepGate, work: PartWork) {
    this.#context = context;
    this.#order = order;
    this.#gate = gate;
    this.#work = work;
    gate.onStall = (ended) => this.#stalled(ended);
  }

  /**
   * Called with the turn, returns without it. @returns whether this CPU was the last one
   * @throws MachineStopped when the machine was frozen from outside
   */
  play(leader = 0): boolean {
    const { board } = this.#order;
    if (board[B_ENDED] === ENDED_WELL) {
      try {
        this.#run();
      } catch (thrown) {
        if (this.#gate.frozenFromOutside) throw thrown;
        if (!isStopped(thrown)) this.#threw(thrown);
      }
    }
    this.#lanes?.end();
    return this.#gate.leave(leader);
  }

  #run(): void {
    const cpu = this.#cpu();
    cpuOnline(cpu);
    try {
      this.#work(this.#contextOf(cpu), this.#order.work.data);
    } catch (thrown) {
      if (!isStopped(thrown) || this.#order.board[B_CLOSING] === 0) throw thrown;
      this.#endService(cpu);
      return;
    }
    this.#lanes?.finished();
    this.#gate.finished();
    this.#races?.end();
    rcu_idle_enter(cpu);
    cpu.words[cpu.percpu + PC_RUN_STATE] = RUN_DONE;
    leave(cpu);
  }

  /** Who serves is ended while it sleeps, with nothing in its hands: it is as if it had never come. */
  #endService(cpu: Cpu): void {
    this.#races?.end();
    endWait(cpu);
    cpu.words[cpu.percpu + PC_TASK_STATE] = TASK_RUNNING;
    cpu.words[cpu.percpu + PC_RUN_STATE] = RUN_DONE;
  }

  #cpu(): Cpu {
    const { policy, arch, verify, trace, spin, board, roles } = this.#order;
    const { id, memory } = this.#context.cpu;
    this.#races = this.#newDetector();
    this.#lanes = this.#order.lanes ? this.#newRecorder() : null;
    this.#gate.observer = this.#lanes ?? this.#races;
    return createCpu({
      id: id as CpuId,
      memory: this.#races === null ? memory : recordedMemory(memory, this.#races),
      now: this.#gate.now,
      seed: board[B_PROGRAM_SEED] as number,
      policy,
      arch,
      verify,
      trace: trace && memory.size.traceEntries > 0,
      // A device that spins until a request is due would count operations for nothing.
      spin: spin && roles[id] !== 'server',
      inject: this.#injections(id),
      gate: this.#gate,
      points: this.#gate,
    });
  }

  /** Every schedule draws what goes wrong from the seed of its programs. */
  #injections(id: number): InjectionPlan | null {
    const plan = this.#order.inject[id] ?? null;
    return plan === null ? null : { ...plan, seed: this.#order.board[B_PROGRAM_SEED] as number };
  }

  #atRest(): void {
    const { board, policy, arch, roles } = this.#order;
    const { id: me, memory } = this.#context.cpu;
    noteRest(board, me);
    if (!everybodyRests(board, memory)) return;
    sweepAtRest(memory, this.#context.arena, roles.length, (id) =>
      createCpu({ id: id as CpuId, memory, now: this.#gate.now, policy, arch, verify: false, spin: false }),
    );
  }

  /** Called by the leader's part before a schedule: what happened in those before is over. */
  begin(): void {
    this.#newDetector()?.allMet();
  }

  /** The steps of the last schedule, if they were to be recorded. */
  get lane(): readonly LaneStep[] {
    return this.#lanes?.steps ?? [];
  }

  #newRecorder(): LaneRecorder {
    const { cpu, arena } = this.#context;
    return new LaneRecorder(cpu.memory, arena, this.#order.board, cpu.id, this.#gate.now, this.#races);
  }

  /** A stall is where everybody waits; a race is the record; whatever was thrown is where it was thrown. */
  #site(id: string, message: string, stack: string): string {
    if (id === 'race') return withoutNumbers(message);
    if (stack !== '') return siteOf(stack);
    const { memory } = this.#context.cpu;
    const cpus = this.#order.roles.map((_, cpu) => cpu);
    const waits = machineState(memory, cpus, this.#gate.now()).flatMap((state) => (state.waits === undefined ? [] : [state.waits]));
    return [...new Set(waits.map(({ kind, name }) => withoutNumbers(`${kind} of ${name}`)))].sort().join(', ');
  }

  #newDetector(): RaceDetector | null {
    const { races, roles, watch } = this.#order;
    if (races === null) return null;
    const { memory, id } = this.#context.cpu;
    const detector = new RaceDetector(races, roles.length, id, (race, stack) => {
      const { board } = this.#order;
      board[B_RACES] = (board[B_RACES] as number) + 1;
      const { word, other, otherAccess } = race;
      this.#found('race', raceMessage(memory.layout, race), racyStack(stack), { word, other, otherAccess });
    });
    if (watch !== null) detector.watch(watch, (access, stack) => this.#noteWatched(access, stack));
    return detector;
  }

  #noteWatched(access: Access, stack: string): void {
    if (this.watched.length >= WATCHED_KEPT) this.watched.shift();
    this.watched.push({ cpu: this.#context.cpu.id, access, step: this.#order.board[B_STEPS] as number, stack: racyStack(stack) });
  }

  #contextOf(cpu: Cpu): WorkContext {
    const { arena } = this.#context;
    const gate = this.#gate;
    const progressWord = cpu.percpu + PC_PROGRESS;
    return {
      cpu,
      arena,
      seed: this.#order.board[B_PROGRAM_SEED] as number,
      arrive: () => {
        rcu_idle_enter(cpu);
        gate.gather();
        rcu_idle_exit(cpu);
        gate.settled();
      },
      stopRequested: () => {
        checkFreeze(cpu);
        return false;
      },
      progress: () => {
        gate.progress();
        cpu.words[progressWord] = ((cpu.words[progressWord] as number) + 1) | 0;
      },
      ...(this.#order.deep ? { atRest: () => this.#atRest() } : {}),
    };
  }

  #threw(thrown: unknown): void {
    const error = thrown instanceof Error ? thrown : new Error(`something that is not an Error was thrown: ${String(thrown)}`);
    const { stack = '' } = error;
    const broken = error instanceof InvariantError;
    const message = broken ? error.message.replace(`${error.id}: `, '') : `${error.name}: ${error.message}`;
    this.#found(broken ? error.id : 'threw', message, stack);
    this.#gate.end(ENDED_THROWN);
  }

  #stalled(ended: number): void {
    const { board, stillMax } = this.#order;
    if (ended === ENDED_DEADLOCK) this.#found('deadlock', 'everybody waits, and nobody is left who could end a wait', '');
    else this.#found('livelock', `no CPU finished anything in ${stillMax} operations (${board[B_STEPS]} in all)`, '');
  }

  #found(id: string, message: string, stack: string, race?: RacePair): void {
    if (this.findings.length >= FINDINGS_KEPT) return;
    const { board } = this.#order;
    const { cpu, arena } = this.#context;
    const state = stateLines(cpu.memory, arena, board, this.#gate.now());
    if (this.#order.lanes) this.evidence ??= collectEvidence(cpu.memory, arena, this.#gate.now());
    const schedule = board[B_SCHEDULE] as number;
    this.findings.push({
      schedule,
      id,
      message,
      cpu: cpu.id,
      stack,
      site: this.#site(id, message, stack),
      state,
      step: board[B_STEPS] as number,
      ...(race === undefined ? {} : { race }),
    });
  }
}
