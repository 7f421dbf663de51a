/**
 * Makes the address space of a run and lays out its areas, on one CPU, before the others start.
 * Next: dissolve_work.ts is its end.
 */
import { type MappingId, NO_MAPPING } from '@faultlab/core/base/brand';
import { errnoName } from '@faultlab/core/base/errno';
import { UsageError } from '@faultlab/core/base/errors';
import type { Cpu } from '@faultlab/core/cpu';
import { createFile, type FileSpec } from '@faultlab/core/mm/address_space';
import type { WorkContext } from '../work.ts';
import { createActor } from './actor.ts';
import { betweenOps, enterSpace, newSpace, protectSpace, settle } from './calls.ts';
import { executeOp, prepareOp } from './execute_op.ts';
import { describeOp, isTouch, type Op } from './op.ts';

export interface SetupOrder {
  readonly ops: readonly Op[];
  readonly files: readonly FileSpec[];
}

/** What the set-up has made, by the model's own numbers. */
export interface SetUp {
  /** The new address space, which has one user for as long as the run lasts. */
  readonly space: number;
  readonly files: readonly number[];
}

export default function setUp(context: WorkContext, order: SetupOrder): SetUp {
  const { cpu, arena } = context;
  context.arrive();
  cpu.memory.user.fill(0, arena.mailboxes, arena.opLog(0));
  const files = order.files.map((spec) => makeFile(cpu, spec));
  const space = newSpace(cpu);
  if (space < 0) throw new UsageError('The machine has no free address space; raise size.mms.');
  protectSpace(cpu, space); // All CPUs are at home there; what may be killed are the processes that they start.
  enterSpace(cpu, space);
  const actor = createActor(cpu, arena, space, { regions: [], body: { list: [] } }, files);
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
  settle(cpu);
  return { space, files };
}

function makeFile(cpu: Cpu, spec: FileSpec): MappingId {
  const file = createFile(cpu, spec);
  if (file === NO_MAPPING) throw new UsageError('The machine has no room for the files of this run; raise size.mappings.');
  return file;
}
