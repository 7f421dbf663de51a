/**
 * The trouble that can be injected into a run: what each injection does, its parameters with their defaults and bounds, and what counts it.
 * Next: parse_inject.ts reads a specification, apply.ts turns it into what core understands.
 */
import { KTHREAD_NAMES } from '@faultlab/core/sched/kthread';
import { CACHE_NAMES, NODE_CACHE, XA_NODE_CACHE } from '@faultlab/core/slab/caches';
import type { CounterName } from '@faultlab/core/trace/counters';
import { ALLOC_ANY, ALLOC_CHARGE, ALLOC_FRAME, ALLOC_SWAP_SLOT, allocFromPool } from '@faultlab/core/trace/injector';
import { POINT_NAMES } from '@faultlab/core/trace/points';

export const INJECTION_NAMES = [
  'io_error',
  'slow_io',
  'alloc_fail',
  'signal',
  'spurious_wake',
  'delay',
  'pause_cpu',
  'full_swap',
  'kill_cpu',
  'silent_device',
] as const;
export type InjectionName = (typeof INJECTION_NAMES)[number];

/** Rates are shares from 0 to 1, times are milliseconds. */
export type Parameter =
  | { readonly key: string; readonly kind: 'rate'; readonly standard: number }
  | { readonly key: string; readonly kind: 'time'; readonly standard: number; readonly most: number }
  | { readonly key: string; readonly kind: 'count'; readonly standard: number; readonly most: number }
  | { readonly key: string; readonly kind: 'choice'; readonly standard: string; readonly choices: readonly string[] };

export interface InjectionKind {
  readonly name: InjectionName;
  /** One sentence for lists. */
  readonly does: string;
  readonly parameters: readonly Parameter[];
  readonly counter: CounterName;
  /** It takes time and changes nothing else: one CPU alone does not notice. */
  readonly takesTime: boolean;
  /** No run survives it: it ends with a report of who does not move. */
  readonly final: boolean;
}

/** One injection of a run, all its parameters given. */
export interface Injection {
  readonly name: InjectionName;
  readonly values: Readonly<Record<string, number | string>>;
}

const rate = (standard: number): Parameter => ({ key: 'rate', kind: 'rate', standard });
const POINT: Parameter = { key: 'point', kind: 'choice', standard: 'all', choices: ['all', ...POINT_NAMES] };
const NODES = [NODE_CACHE, XA_NODE_CACHE].reduce((bits, pool) => bits | allocFromPool(pool), 0);
const POOLS = CACHE_NAMES.reduce((bits, _, pool) => bits | allocFromPool(pool), 0);
/** What an allocation may be of, as `of` of alloc_fail names it: everything, groups, and each single kind; pools as in /proc/slabinfo. */
export const ALLOCATED: ReadonlyMap<string, number> = new Map([
  ['any', ALLOC_ANY],
  ['frame', ALLOC_FRAME],
  ['charge', ALLOC_CHARGE],
  ['swap_slot', ALLOC_SWAP_SLOT],
  ['node', NODES],
  ['slot', POOLS & ~NODES],
  ...CACHE_NAMES.map((name, pool) => [name, allocFromPool(pool)] as const),
]);
const COUNT_MAX = 1_000_000_000;
/** Who is stopped when no thread of the machine is named: a CPU with a program. */
export const PROGRAM = 'program';
const CPU_MAX = 63;

const SLOW: ReadonlySet<InjectionName> = new Set(['slow_io', 'delay', 'pause_cpu']);

const kind = (name: InjectionName, does: string, parameters: readonly Parameter[], final = false): InjectionKind => ({
  name,
  does,
  parameters,
  counter: `injected_${name}`,
  final,
  takesTime: SLOW.has(name),
});

/** In the order of lists and reports. */
export const INJECTIONS: readonly InjectionKind[] = [
  kind('io_error', 'requests of a block device fail with EIO', [rate(0.001)]),
  kind('slow_io', 'requests take longer by up to `time`, seldom that much', [
    rate(0.01),
    { key: 'time', kind: 'time', standard: 1_000, most: 5_000 },
  ]),
  kind(
    'alloc_fail',
    'an allocation finds nothing left: of a frame, of a charge of a cgroup, of swap, of a slot or node of a pool; `only` the so manieth, if not 0',
    [
      rate(0.001),
      { key: 'of', kind: 'choice', standard: 'any', choices: [...ALLOCATED.keys()] },
      { key: 'only', kind: 'count', standard: 0, most: COUNT_MAX },
    ],
  ),
  kind('signal', 'a signal arrives as a CPU begins to wait for something; a share of `fatal` is SIGKILL', [
    rate(0.01),
    { key: 'fatal', kind: 'rate', standard: 0.5 },
  ]),
  kind('spurious_wake', 'a sleeper wakes up without a cause', [rate(0.05)]),
  kind('delay', 'a CPU takes up to `time` longer at a named point', [
    POINT,
    rate(0.001),
    { key: 'time', kind: 'time', standard: 0.2, most: 1_000 },
  ]),
  kind('pause_cpu', 'a CPU sleeps for `time` at a named point, with all that it holds', [
    rate(0.0001),
    { key: 'time', kind: 'time', standard: 20, most: 1_000 },
  ]),
  kind('full_swap', 'a page that is to go to swap finds every area full', [rate(0.2)]),
  kind(
    'kill_cpu',
    'a CPU, or that of a `thread` of the machine, stops for ever at a named point, with the locks that it holds there, when it has passed `after` others',
    [
      { key: 'cpu', kind: 'count', standard: 0, most: CPU_MAX },
      { key: 'thread', kind: 'choice', standard: PROGRAM, choices: [PROGRAM, ...KTHREAD_NAMES] },
      { key: 'after', kind: 'count', standard: 1_000, most: COUNT_MAX },
      POINT,
    ],
    true,
  ),
  kind(
    'silent_device',
    'every block device stops answering after so many requests',
    [{ key: 'after', kind: 'count', standard: 100, most: COUNT_MAX }],
    true,
  ),
];

export const injectionKind = (name: InjectionName): InjectionKind => INJECTIONS.find((known) => known.name === name) as InjectionKind;

const US_PER_MS = 1000;
const DECIMALS = 10;

/** A parameter as a specification has it: `rate=0.1%`, `time=200us`. */
export function parameterText(parameter: Parameter, value: number | string): string {
  return `${parameter.key}=${valueText(parameter, value)}`;
}

function valueText({ kind: what }: Parameter, value: number | string): string {
  if (typeof value === 'string') return value;
  if (what === 'rate') return `${decimal(value * 100)}%`;
  if (what !== 'time') return String(value);
  return value < 1 ? `${decimal(value * US_PER_MS)}us` : `${decimal(value)}ms`;
}

/** Without an exponent, and without what the last binary digits add. */
const decimal = (value: number): string => value.toFixed(DECIMALS).replace(/\.?0+$/, '');

/** The specification that parses to these injections, every parameter named. */
export function injectText(injections: readonly Injection[]): string {
  return injections
    .map(({ name, values }) => {
      const { parameters } = injectionKind(name);
      return `${name}:${parameters.map((parameter) => parameterText(parameter, values[parameter.key] as number | string)).join(',')}`;
    })
    .join(',');
}
