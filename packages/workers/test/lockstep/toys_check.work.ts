/** After each schedule of toys: what they have left in the user words must be as the test says. */
import type { Violation } from '@faultlab/core/invariants/sweep';
import type { WorkContext } from '@faultlab/workers/work';
import { FIRST_LINE, LINE } from './toys.work.ts';

/** Line, place in it, value. */
export type Expected = readonly (readonly [number, number, number])[];

export default function check({ cpu }: WorkContext, expected: Expected): Violation[] {
  const at = (line: number, place: number): number => cpu.memory.user[(FIRST_LINE + line) * LINE + place] as number;
  const wrong = expected.filter(([line, place, value]) => at(line, place) !== value);
  return wrong.map(([line, place, value]) => ({ id: 'T03', message: `line ${line}.${place} is ${at(line, place)}, not ${value}` }));
}
