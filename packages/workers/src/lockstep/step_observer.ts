/**
 * Who wants to know of the operations of a CPU, and of its sleeps that somebody ended: what looks for races, and what writes lanes down.
 * Next: gate.ts tells it, races/ and lane_recorder.ts listen
 */
export interface StepObserver {
  /** The CPU is about to ask for a turn: the operation before is over. */
  settle(): void;
  step(kind: number, word: number): void;
  woken(word: number): void;
  /** All CPUs have met: called by the last one to come. */
  allMet(): void;
}
