/** The sweep after a schedule. */
import { sweep, type Violation } from '@faultlab/core/invariants/sweep';
import type { WorkContext } from '@faultlab/workers/work';

export default function check({ cpu }: WorkContext): readonly Violation[] {
  return sweep(cpu);
}
