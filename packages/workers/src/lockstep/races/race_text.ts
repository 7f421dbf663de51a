/**
 * What is said about a race: the two accesses, the word by the record that it lies in, and the way to the second one.
 * Next: race_detector.ts
 */
import type { Layout } from '@faultlab/core/memory/layout';
import { recordField } from '../../word_names.ts';
import type { Race } from './race_detector.ts';

/** Frames of a stack that say where in the model it was. */
const FRAMES_SHOWN = 6;

export function raceMessage(layout: Layout, { word, cpu, access, other, otherAccess }: Race): string {
  return `${access} of ${recordField(layout, word)} by CPU ${cpu}, and nothing orders it with the ${otherAccess} by CPU ${other}`;
}

/** Frames of the detector, of its views and of the gate, in the joined modules, too. */
const OURS =
  /lockstep\/(?:races|cpu_part|gate)|node:internal|\bat (?:stackHere|RaceDetector\.|Object\.(?:get|set|plainRead|plainWrite|step|load|store|add|and|or|xchg|cmpxchg|incNotZeroLimited) |LockstepGate\.|#\w+ |Proxy)/;

/** The frames of the model, the innermost first. */
export function racyStack(stack: string): string {
  const frames = stack.split('\n').filter((line) => /^\s+at /.test(line) && !OURS.test(line));
  return frames.slice(0, FRAMES_SHOWN).join('\n');
}
