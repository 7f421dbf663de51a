/**
 * Runs one script on a fresh machine, operation by operation.
 * Next: compare.ts
 */
import { NO_MM } from '@faultlab/core/base/brand';
import { errnoName } from '@faultlab/core/base/errno';
import { InvariantError, StallError } from '@faultlab/core/base/errors';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import type { Counters } from '../deltas.ts';
import type { Injection } from '../inject/injections.ts';
import { Watch } from './observe.ts';
import { isSetUp, runOperation } from './operations/by_name.ts';
import type { ScriptLine } from './parse_script.ts';
import type { Observation } from './record.ts';
import { ScriptMachine } from './script_machine.ts';

/** How far a script came, and what was seen. */
export interface ScriptRun {
  /** One for each operation that was run, in order. */
  readonly seen: readonly Observation[];
  /** What the model does not have yet, in the words of the script, when this ended the script. */
  readonly notModelled: string | undefined;
  /** How many operations had ended when the first injection hit; undefined when none did. What is seen from there on is not the kernel's. */
  readonly calm: number | undefined;
  /** A part of the set-up, or a fork, failed by an injection, and the rest was not run. */
  readonly cut: boolean;
  /** Events of all CPUs. */
  readonly counters: Counters;
  /** Invariants that broke: the model is wrong. Nothing runs after the first one. */
  readonly broken: readonly string[];
}

/** Runs the lines until the end, a thing that is not modelled, or a broken invariant. Throws what is no verdict about the model. */
export function runScript(script: readonly ScriptLine[], policy: FaultPolicy, inject: readonly Injection[] = [], seed = 1): ScriptRun {
  const machine = new ScriptMachine(policy, inject, seed);
  const seen: Observation[] = [];
  let notModelled: string | undefined;
  let calm: number | undefined;
  let cut = false;
  try {
    for (const line of script) {
      const step = runLine(machine, line);
      if (machine.hits() > 0) calm ??= seen.length;
      machine.handleSignals();
      if (typeof step === 'string') {
        cut = calm !== undefined;
        if (!cut) notModelled = step;
        break;
      }
      seen.push(step);
      // Nothing that it was to prepare is there.
      cut = calm !== undefined && isSetUp(line.operation) && step.result !== 'ok';
      if (cut) break;
    }
    const broken = machine.close();
    return { seen, notModelled, calm, cut, counters: machine.counters(), broken };
  } catch (error) {
    if (error instanceof StallError) throw new StallError(`${error.message}\nThis was in ${whereOf(script, seen.length)}.`);
    if (!(error instanceof InvariantError)) throw error;
    return { seen, notModelled, calm, cut, counters: machine.counters(), broken: [`${error.message} (${whereOf(script, seen.length)})`] };
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
