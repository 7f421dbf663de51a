/**
 * What the thread of a CPU does in an exploration: schedule after schedule, without a word to the main thread in between. The thread of
 * CPU 0 leads.
 *
 *   leader: put the memory back -> strategy begins -> first turn -> (its own part) -> the last one has gone -> check -> next schedule
 *   others:                                              turn -> their part -> pass the turn on -> wait
 *
 * Next: leader.ts, cpu_part.ts
 */
import { UsageError } from '@faultlab/core/base/errors';
import { rcu_idle_enter, rcu_idle_exit } from '@faultlab/core/locking/rcu';
import type { WorkContext } from '../work.ts';
import { B_PHASE, B_READY, PHASE_OVER } from './board.ts';
import { CpuPart } from './cpu_part.ts';
import { LockstepGate } from './gate.ts';
import { LEADER, Leader } from './leader.ts';
import type { Called, Check, LockstepOrder, PartWork, ThreadReport } from './lockstep_order.ts';
import { makeStrategy } from './strategy_plan.ts';

export default async function lockstep(context: WorkContext, order: LockstepOrder): Promise<ThreadReport> {
  const work = await defaultExport<PartWork>(order.work.module);
  await prepare(order.work);
  const check = order.check === null ? null : await defaultExport<Check>(order.check.module);
  const { cpu } = context;
  const strategy = makeStrategy(order.plan, order.seed);
  const gate = new LockstepGate(order.board, cpu.words, strategy, cpu.id);
  const part = new CpuPart(context, order, gate, work);
  context.arrive();
  rcu_idle_enter(cpu);
  const report = cpu.id === LEADER ? new Leader(context, order, gate, strategy, part, check).lead() : follow(order, gate, part);
  rcu_idle_exit(cpu);
  return report;
}

/** A turn is the beginning of a part, or the end of it all. */
function follow({ board }: LockstepOrder, gate: LockstepGate, part: CpuPart): ThreadReport {
  Atomics.add(board, B_READY, 1);
  Atomics.notify(board, B_READY);
  for (;;) {
    gate.awaitTurn();
    if (board[B_PHASE] === PHASE_OVER)
      return { findings: part.findings, exploration: null, lane: part.lane, evidence: part.evidence, watched: part.watched };
    part.play();
  }
}

/** A work of parts returns no promise; what has to be awaited, it awaits in a function `prepare`, called once. */
async function prepare({ module, data }: Called): Promise<void> {
  const loaded = (await import(module)) as { readonly prepare?: (data: unknown) => Promise<void> };
  await loaded.prepare?.(data);
}

async function defaultExport<T>(module: string): Promise<T> {
  const loaded = (await import(module)) as { readonly default?: unknown };
  if (typeof loaded.default !== 'function') throw new UsageError(`The work ${module} has no default export that is a function.`);
  return loaded.default as T;
}
