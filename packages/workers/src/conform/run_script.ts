/**
 * Runs one script on a fresh machine, operation by operation.
 * Next: compare.ts
 */
import { NO_MM } from '@faultlab/core/base/brand';
import { errnoName } from '@faultlab/core/base/errno';
import { InvariantError } from '@faultlab/core/base/errors';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { Watch } from './observe.ts';
import { runOperation } from './operations/by_name.ts';
import type { ScriptLine } from './parse_script.ts';
import type { Observation } from './record.ts';
import { ScriptMachine } from './script_machine.ts';

/** How far a script came, and what was seen. */
export interface ScriptRun {
  /** One for each operation that was run, in order. */
  readonly seen: readonly Observation[];
  /** What the model does not have yet, in the words of the script, when this ended the script. */
  readonly notModelled: string | undefined;
  /** Invariants that broke: the model is wrong. Nothing runs after the first one. */
  readonly broken: readonly string[];
}

/** Runs the lines until the end, a thing that is not modelled, or a broken invariant. Throws what is no verdict about the model. */
export function runScript(script: readonly ScriptLine[], policy: FaultPolicy): ScriptRun {
  const machine = new ScriptMachine(policy);
  const seen: Observation[] = [];
  let notModelled: string | undefined;
  try {
    for (const line of script) {
      const step = runLine(machine, line);
      if (typeof step === 'string') {
        notModelled = step;
        break;
      }
      seen.push(step);
    }
    return { seen, notModelled, broken: machine.close() };
  } catch (error) {
    if (!(error instanceof InvariantError)) throw error;
    return { seen, notModelled, broken: [`${error.message} (${whereOf(script, seen.length)})`] };
  }
}

/** @returns what was seen, or the name of what is not modelled */
function runLine(machine: ScriptMachine, { space, operation }: ScriptLine): Observation | string {
  const mm = machine.enter(space);
  if (mm === NO_MM) return 'a child after a fork that failed';
  machine.drain();
  const watch = new Watch(machine);
  const ended = runOperation(machine, operation);
  if (typeof ended === 'object') return ended.notModelled;
  return watch.seen(typeof ended === 'string' ? ended : errnoName(ended), mm);
}

function whereOf(script: readonly ScriptLine[], done: number): string {
  const line = script[done];
  return line === undefined ? 'at the end of the script' : `line ${line.line}: ${line.text}`;
}
