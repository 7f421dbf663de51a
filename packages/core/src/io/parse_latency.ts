/**
 * The text of a latency model, as on a command line:
 *
 *   zero    fixed:100us    uniform:50us-2ms    lognormal:200us,sigma=0.8,tail=1%:20ms    list:FILE
 *
 * A recorded list is a file with a time on each line, and `#` before remarks; reading it is the business of whoever can read files.
 * Next: io/latency_model.ts
 */
import { UsageError } from '../base/errors.ts';
import { LATENCY_US_MAX, type LatencyModel } from './latency_model.ts';

/** A list whose file has not been read yet. */
export interface LatencyFile {
  readonly kind: 'file';
  readonly path: string;
}

const FORMS = 'zero, fixed:100us, uniform:50us-2ms, lognormal:200us,sigma=0.8,tail=1%:20ms or list:FILE';
const UNIT_US: Readonly<Record<string, number>> = { ns: 0.001, us: 1, ms: 1000, s: 1_000_000 };
const DURATION = /^(\d{1,12}(?:\.\d{1,9})?)(ns|us|ms|s)$/;
const NUMBER = /^\d{1,9}(?:\.\d{1,9})?$/;
const SIGMA_DEFAULT = 0.5;
const SIGMA_MAX = 5;

/** @throws UsageError with what was expected */
export function parseLatency(text: string): LatencyModel | LatencyFile {
  const colon = text.indexOf(':');
  const kind = colon < 0 ? text : text.slice(0, colon);
  const rest = colon < 0 ? '' : text.slice(colon + 1);
  if (text === 'zero') return { kind: 'zero' };
  if (kind === 'fixed') return { kind: 'fixed', us: duration(text, rest) };
  if (kind === 'uniform') return uniform(text, rest);
  if (kind === 'lognormal') return lognormal(text, rest);
  if (kind === 'list' && rest !== '') return { kind: 'file', path: rest };
  throw wrong(text, `it must be one of ${FORMS}`);
}

/** The times of a recorded list. @param where the name of the file. @throws UsageError naming the line */
export function parseLatencyList(text: string, where: string): LatencyModel {
  const us: number[] = [];
  text.split('\n').forEach((line, position) => {
    const entry = (line.split('#', 1)[0] as string).trim();
    if (entry === '') return;
    const value = durationUs(entry);
    if (value === undefined) {
      throw new UsageError(`${where}, line ${position + 1}: "${shown(entry)}" is not a time; write one such as 100us or 2ms on each line.`);
    }
    us.push(value);
  });
  if (us.length === 0) throw new UsageError(`${where} holds no times; write one such as 100us or 2ms on each line.`);
  return { kind: 'list', us };
}

/** The text that parses to the model; a list is shown by its length. */
export function latencyText(model: LatencyModel): string {
  switch (model.kind) {
    case 'zero':
      return 'zero';
    case 'fixed':
      return `fixed:${model.us}us`;
    case 'uniform':
      return `uniform:${model.lowUs}us-${model.highUs}us`;
    case 'lognormal': {
      const tail = model.tailShare === 0 ? '' : `,tail=${Number((model.tailShare * 100).toFixed(7))}%:${model.tailUs}us`;
      return `lognormal:${model.medianUs}us,sigma=${model.sigma}${tail}`;
    }
    case 'list':
      return `list of ${model.us.length} times`;
  }
}

function uniform(text: string, rest: string): LatencyModel {
  const [low = '', high = '', more] = rest.split('-');
  if (more !== undefined) throw wrong(text, 'after uniform: come two times with one dash between them, such as 50us-2ms');
  const [lowUs, highUs] = [duration(text, low), duration(text, high)];
  if (lowUs > highUs) throw wrong(text, 'its first time must not be longer than its second');
  return { kind: 'uniform', lowUs, highUs };
}

function lognormal(text: string, rest: string): LatencyModel {
  const [median = '', ...options] = rest.split(',');
  const medianUs = duration(text, median);
  let sigma = SIGMA_DEFAULT;
  let tailShare = 0;
  let tailUs = 0;
  const seen = new Set<string>();
  for (const option of options) {
    const equals = option.indexOf('=');
    const name = equals < 0 ? option : option.slice(0, equals);
    const value = equals < 0 ? '' : option.slice(equals + 1);
    if (seen.has(name)) throw wrong(text, `${shown(name)} may be there only once`);
    seen.add(name);
    if (name === 'sigma') sigma = numberUpTo(text, value, SIGMA_MAX, `sigma must be a number from 0 to ${SIGMA_MAX}, such as sigma=0.8`);
    else if (name === 'tail') [tailShare, tailUs] = tail(text, value);
    else throw wrong(text, 'after the median of a lognormal come sigma=NUMBER and tail=PERCENT%:TIME, and nothing else');
  }
  return { kind: 'lognormal', medianUs, sigma, tailShare, tailUs };
}

function tail(text: string, value: string): [share: number, us: number] {
  const [percent = '', time = '', more] = value.split('%:');
  const form = 'a tail is a share from 0 to 100 and a time, such as tail=1%:20ms';
  if (more !== undefined || time === '') throw wrong(text, form);
  return [numberUpTo(text, percent, 100, form) / 100, duration(text, time)];
}

function numberUpTo(text: string, value: string, most: number, form: string): number {
  if (!NUMBER.test(value) || Number(value) > most) throw wrong(text, form);
  return Number(value);
}

function duration(text: string, part: string): number {
  const us = durationUs(part);
  if (us === undefined) {
    throw wrong(text, `"${shown(part)}" is not a time; write a number and ns, us, ms or s, such as 100us, ten minutes at the most`);
  }
  return us;
}

function durationUs(text: string): number | undefined {
  const [, number, unit] = DURATION.exec(text) ?? [];
  if (number === undefined || unit === undefined) return undefined;
  const us = Number(number) * (UNIT_US[unit] as number);
  return us <= LATENCY_US_MAX ? us : undefined;
}

const SHOWN_MAX = 60;
/** User text inside a sentence: on one line, and not too long. */
const shown = (text: string): string => {
  const printable = [...text].map((character) => (character < ' ' || character === '\u007f' ? '?' : character)).join('');
  return printable.length > SHOWN_MAX ? `${printable.slice(0, SHOWN_MAX)}...` : printable;
};
const wrong = (text: string, what: string): UsageError => new UsageError(`The latency "${shown(text)}" is not understood: ${what}.`);
