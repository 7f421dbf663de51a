/**
 * All that repeats a failed schedule, as one word that survives a shell, a log and a chat: what ran, what it drew from, and the choices.
 *
 *   ls2:munmap_storm:3:linux-6.18:x86:6:7:2711064301:-:-:0.1.4_2.3x1:9c0f3a12:12.1-3.0
 *
 * The hash before the choices is that of all operations in their order: a repetition says whether it did the same. Words that begin with `ls1`
 * are read, too: they have no entry of an architecture, no flags and no cuts.
 * Next: again.ts
 */
import { UsageError } from '@faultlab/core/base/errors';

export interface AgainParameters {
  readonly scenario: string;
  readonly cpus: number;
  readonly policy: string;
  readonly arch: string;
  /** Operations of each CPU. */
  readonly count: number;
  /** Of the layout. */
  readonly seed: number;
  /** What the programs draw from. */
  readonly programSeed: number;
  /** Id of a planted bug; empty for none. */
  readonly mutant: string;
  readonly races: boolean;
  readonly verify: boolean;
  /** Sweeps within the schedule. */
  readonly deep: boolean;
  /** See program_cuts.ts. */
  readonly cuts: string;
  /** What goes wrong on request, as --inject takes it; empty for nothing. At the end of the word, and not there when empty. */
  readonly inject: string;
  readonly hash: number;
  /** See choices.ts. */
  readonly choices: string;
}

const VERSION = 'ls2';
const FIELDS = 13;
const OLD_VERSION = 'ls1';
const OLD_FIELDS = 10;
const NONE = '-';
const RACES = 'r';
const UNVERIFIED = 'u';
const DEEP = 'd';

export function againText(p: AgainParameters): string {
  const flags = `${p.races ? RACES : ''}${p.verify ? '' : UNVERIFIED}${p.deep ? DEEP : ''}`;
  const seeds = [p.count, p.seed, p.programSeed];
  const rest = [
    p.mutant || NONE,
    flags || NONE,
    p.cuts,
    p.hash.toString(16),
    p.choices,
    ...(p.inject === '' ? [] : [encodeURIComponent(p.inject)]),
  ];
  return [VERSION, p.scenario, p.cpus, p.policy, p.arch, ...seeds, ...rest].join(':');
}

/** @throws UsageError when the text is no such word */
export function parseAgain(text: string): AgainParameters {
  const fields = fieldsOf(text);
  const [, scenario = '', cpus, policy = '', arch = '', count, seed, programSeed, mutant = NONE, flags = NONE, cuts = NONE] = fields;
  const [hash = '', choices = '', inject = ''] = fields.slice(FIELDS - 2);
  const number = (name: string, value: string | undefined): number => {
    if (value === undefined || !/^\d{1,10}$/.test(value))
      throw new UsageError(`${name} of the schedule is "${value}", but it must be a whole number.`);
    return Number(value);
  };
  if (!/^[0-9a-f]{1,8}$/.test(hash)) throw new UsageError(`The hash of the schedule is "${hash}", but it must be a number of base 16.`);
  if (!/^(?:-|r?u?d?)$/.test(flags))
    throw new UsageError(`The flags of the schedule are "${flags}", but they must be some of r, u and d, or -.`);
  return {
    scenario,
    cpus: number('The number of CPUs', cpus),
    policy,
    arch,
    count: number('The number of operations', count),
    seed: number('The seed', seed),
    programSeed: number('The seed of the programs', programSeed),
    mutant: mutant === NONE ? '' : mutant,
    races: flags.includes(RACES),
    verify: !flags.includes(UNVERIFIED),
    deep: flags.includes(DEEP),
    cuts,
    inject: decoded(inject),
    hash: Number.parseInt(hash, 16),
    choices,
  };
}

function decoded(inject: string): string {
  try {
    return decodeURIComponent(inject);
  } catch {
    throw new UsageError(`The injections of the schedule are "${inject}", which is no text; copy the whole word.`);
  }
}

/** The parts of a word of this version. */
function fieldsOf(text: string): string[] {
  const fields = text.trim().split(':');
  if ((fields.length === FIELDS || fields.length === FIELDS + 1) && fields[0] === VERSION) return fields;
  if (fields.length === OLD_FIELDS && fields[0] === OLD_VERSION) {
    return [VERSION, ...fields.slice(1, 4), 'x86', ...fields.slice(4, 8), NONE, NONE, ...fields.slice(8)];
  }
  throw new UsageError(
    `"${text.slice(0, 60)}" does not say how to repeat a schedule; it must begin with "${VERSION}:" and have ${FIELDS} parts, as printed after a failure.`,
  );
}
