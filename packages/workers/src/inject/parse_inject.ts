/**
 * The text of injections, as on a command line:
 *
 *   io_error    slow_io:rate=2%,time=3s    delay:point=before_ptl,rate=0.01,time=50us,pause_cpu    all
 *
 * Injections are separated by commas; so are the parameters of one, which follow it. `all` is every injection that a run survives.
 * Next: injections.ts has the table, apply.ts what becomes of it.
 */
import { UsageError } from '@faultlab/core/base/errors';
import { INJECTION_NAMES, INJECTIONS, type Injection, type InjectionKind, type Parameter } from './injections.ts';

const ALL = 'all';
/** A parameter; what comes before the `=` is no injection with parameters. */
const PARAMETER = /^\s*([^=:]*)=(.*)$/s;
const RATE = /^(\d{1,9}(?:\.\d{1,12})?)(%?)$/;
const TIME = /^(\d{1,9}(?:\.\d{1,9})?)(us|ms|s)$/;
const COUNT = /^\d{1,12}$/;
const UNIT_MS: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000 };
const SHOWN_MAX = 60;

/** An injection whose parameters are still being read. */
interface Draft {
  readonly kind: InjectionKind;
  readonly values: Record<string, number | string>;
  readonly given: Set<string>;
}

/**
 * @param before injections given already; one that is named again replaces it, but for `delay`, of which there may be several
 * @throws UsageError with what was expected, and nothing else for any text
 */
export function parseInject(text: string, before: readonly Injection[] = []): Injection[] {
  const drafts: Draft[] = [];
  let latest: readonly Draft[] = [];
  for (const piece of text.split(',')) {
    const parameter = PARAMETER.exec(piece);
    if (parameter !== null) {
      set(latest, text, (parameter[1] as string).trim(), (parameter[2] as string).trim());
      continue;
    }
    latest = begin(piece, text);
    drafts.push(...latest);
  }
  return [...before, ...drafts.map(({ kind: { name }, values }) => ({ name, values }))].reduce(withOne, []);
}

/** The last one of a kind counts; delays add up. */
function withOne(list: Injection[], injection: Injection): Injection[] {
  const point = injection.values['point'];
  const isSame = (other: Injection): boolean =>
    other.name === injection.name && (injection.name !== 'delay' || other.values['point'] === point);
  return [...list.filter((other) => !isSame(other)), injection];
}

/** `name` or `name:key=value`, or `all`. */
function begin(piece: string, text: string): Draft[] {
  const colon = piece.indexOf(':');
  const name = (colon < 0 ? piece : piece.slice(0, colon)).trim();
  if (name === ALL && colon < 0) return INJECTIONS.filter((kind) => !kind.final).map(draftOf);
  const kind = INJECTIONS.find((known) => known.name === name);
  if (kind === undefined) {
    throw new UsageError(`There is no injection "${shown(name)}"; choose from ${INJECTION_NAMES.join(', ')} or ${ALL}.`);
  }
  const draft = draftOf(kind);
  if (colon < 0) return [draft];
  const parameter = PARAMETER.exec(piece.slice(colon + 1));
  if (parameter === null)
    throw new UsageError(`--inject "${shown(text)}": after ${name}: there must be ${keysOf(kind)}, each as key=value.`);
  set([draft], text, (parameter[1] as string).trim(), (parameter[2] as string).trim());
  return [draft];
}

function draftOf(kind: InjectionKind): Draft {
  return { kind, values: Object.fromEntries(kind.parameters.map(({ key, standard }) => [key, standard])), given: new Set() };
}

function set(latest: readonly Draft[], text: string, key: string, value: string): void {
  const [draft] = latest;
  if (draft === undefined || latest.length > 1) {
    throw new UsageError(`--inject "${shown(text)}": "${shown(key)}" does not follow a single injection; write name:${shown(key)}=value.`);
  }
  const { kind, values, given } = draft;
  const parameter = kind.parameters.find((known) => known.key === key);
  if (parameter === undefined) throw new UsageError(`${kind.name} has no parameter "${shown(key)}"; it has ${keysOf(kind)}.`);
  if (given.has(key)) throw new UsageError(`--inject "${shown(text)}" gives ${key} of ${kind.name} twice; give it once.`);
  given.add(key);
  values[key] = read(kind, parameter, value);
}

const keysOf = (kind: InjectionKind): string => kind.parameters.map(({ key }) => key).join(', ');

function read(kind: InjectionKind, parameter: Parameter, text: string): number | string {
  const wrong = (must: string): UsageError =>
    new UsageError(`${parameter.key} of ${kind.name} is "${shown(text)}", but it must be ${must}.`);
  switch (parameter.kind) {
    case 'rate': {
      const match = RATE.exec(text);
      const value = match === null ? Number.NaN : Number(match[1]) / (match[2] === '%' ? 100 : 1);
      if (!(value >= 0 && value <= 1)) throw wrong('a share such as 1% or 0.01, from 0 to 100%');
      return value;
    }
    case 'time': {
      const match = TIME.exec(text);
      const value = match === null ? Number.NaN : Number(match[1]) * (UNIT_MS[match[2] as string] as number);
      if (!(value > 0 && value <= parameter.most)) throw wrong(`a time such as 200us, 5ms or 1s, up to ${parameter.most}ms`);
      return value;
    }
    case 'count': {
      const value = COUNT.test(text) ? Number(text) : Number.NaN;
      if (!(value <= parameter.most)) throw wrong(`a whole number up to ${parameter.most}`);
      return value;
    }
    case 'choice':
      if (!parameter.choices.includes(text)) throw wrong(choicesText(parameter.choices));
      return text;
  }
}

const CHOICES_SHOWN = 20;
const choicesText = (choices: readonly string[]): string =>
  choices.length <= CHOICES_SHOWN
    ? `one of ${choices.join(', ')}`
    : `${choices[0]} or the name of a point (such as ${choices[1]} or ${choices[2]})`;

/** A text that fits into a sentence: on one line, and not too long. */
function shown(text: string): string {
  const line = JSON.stringify(text).slice(1, -1);
  return line.length <= SHOWN_MAX ? line : `${line.slice(0, SHOWN_MAX)}...`;
}
