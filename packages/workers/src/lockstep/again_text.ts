/**
 * All that repeats a failed schedule, as one word that survives a shell, a log and a chat: what ran, what it drew from, and the choices.
 *
 *   ls1:munmap_storm:3:linux-6.18:6:7:2711064301:-:9c0f3a12:12.1-3.0
 *
 * The hash at the end of the parameters is that of all operations in their order: a repetition says whether it did the same.
 * Next: again.ts
 */
import { UsageError } from '@faultlab/core/base/errors';

export interface AgainParameters {
  readonly scenario: string;
  readonly cpus: number;
  readonly policy: string;
  /** Operations of each CPU. */
  readonly count: number;
  /** Of the layout. */
  readonly seed: number;
  /** What the programs draw from. */
  readonly programSeed: number;
  /** Id of a planted bug; empty for none. */
  readonly mutant: string;
  readonly hash: number;
  /** See choices.ts. */
  readonly choices: string;
}

const VERSION = 'ls1';
const FIELDS = 10;
const NONE = '-';

export function againText(p: AgainParameters): string {
  const hash = p.hash.toString(16);
  return [VERSION, p.scenario, p.cpus, p.policy, p.count, p.seed, p.programSeed, p.mutant || NONE, hash, p.choices].join(':');
}

/** @throws UsageError when the text is no such word */
export function parseAgain(text: string): AgainParameters {
  const fields = text.trim().split(':');
  const [version, scenario = '', cpus, policy = '', count, seed, programSeed, mutant = NONE, hash = '', choices = ''] = fields;
  if (fields.length !== FIELDS || version !== VERSION) {
    throw new UsageError(
      `"${text.slice(0, 60)}" does not say how to repeat a schedule; it must begin with "${VERSION}:" and have ${FIELDS} parts, as printed after a failure.`,
    );
  }
  const number = (name: string, value: string | undefined): number => {
    if (value === undefined || !/^\d{1,10}$/.test(value))
      throw new UsageError(`${name} of the schedule is "${value}", but it must be a whole number.`);
    return Number(value);
  };
  if (!/^[0-9a-f]{1,8}$/.test(hash)) throw new UsageError(`The hash of the schedule is "${hash}", but it must be a number of base 16.`);
  return {
    scenario,
    cpus: number('The number of CPUs', cpus),
    policy,
    count: number('The number of operations', count),
    seed: number('The seed', seed),
    programSeed: number('The seed of the programs', programSeed),
    mutant: mutant === NONE ? '' : mutant,
    hash: Number.parseInt(hash, 16),
    choices,
  };
}
