/**
 * A full collection in the thread that calls it. Threads of a machine are busy or asleep and never idle, so V8 collects what is old, and gives the memory
 * behind it back, hours late; a long run asks for it between two slices, so that what the host counts is what is kept.
 * Next: soak/soak_run.ts
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

let collect: (() => void) | undefined;

export function collectGarbage(): void {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
  }
  collect();
}
