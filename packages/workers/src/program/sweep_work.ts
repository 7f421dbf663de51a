/**
 * Looks for broken invariants on a machine at rest.
 */
import { sweep, type Violation } from '@faultlab/core/invariants/sweep';
import type { WorkContext } from '../work.ts';

export default function sweepMachine(context: WorkContext): Violation[] {
  context.arrive();
  return sweep(context.cpu);
}
