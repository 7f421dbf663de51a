/**
 * Makes the address space of a run and lays out its areas, on one CPU, before the others start.
 * Next: dissolve_work.ts is its end.
 */
import { errnoName } from '@faultlab/core/base/errno';
import { UsageError } from '@faultlab/core/base/errors';
import { rcu_barrier } from '@faultlab/core/locking/rcu';
import { LINE_WORDS } from '@faultlab/core/memory/shared_words';
import type { WorkContext } from '../work.ts';
import { createActor } from './actor.ts';
import { betweenOps, enterSpace, newSpace } from './calls.ts';
import { executeOp, prepareOp } from './execute_op.ts';
import { describeOp, isTouch, type Op } from './op.ts';

export interface SetupOrder {
  readonly ops: readonly Op[];
}

/** @returns the new address space, which has one user for as long as the run lasts */
export default function setUp(context: WorkContext, order: SetupOrder): number {
  const { cpu, arena } = context;
  context.arrive();
  cpu.memory.user.fill(0, arena.mailboxes, arena.counter + 2 * LINE_WORDS);
  const space = newSpace(cpu);
  if (space < 0) throw new UsageError('The machine has no free address space; raise size.mms.');
  enterSpace(cpu, space);
  const actor = createActor(cpu, arena, space, { regions: [], body: { list: [] } });
  for (const planned of order.ops) {
    const operation = { ...planned };
    prepareOp(actor, operation);
    const result = executeOp(actor, operation);
    if (isTouch(operation.kind) ? result !== 0 : result < 0) {
      const ending = result < 0 ? errnoName(result) : 'refused';
      throw new UsageError(`The layout of this run does not fit the machine: ${describeOp(operation)} was ${ending}; raise its size.`);
    }
    context.progress();
    betweenOps(cpu);
  }
  enterSpace(cpu, 0);
  rcu_barrier(cpu);
  return space;
}
