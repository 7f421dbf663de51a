/**
 * Looks for broken invariants on a machine at rest.
 */
import { sweep, type Violation } from '@faultlab/core/invariants/sweep';
import { oomReaperStep } from '@faultlab/core/reclaim/oom_reaper';
import type { WorkContext } from '../work.ts';
import { clearPins } from './processes.ts';

export default function sweepMachine(context: WorkContext): Violation[] {
  const { cpu, arena } = context;
  context.arrive();
  clearPins(cpu, arena.mailboxes);
  oomReaperStep(cpu); // A process that ended before the reaper came is still on its list.
  return sweep(cpu);
}
