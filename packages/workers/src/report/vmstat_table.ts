/**
 * Events and states as /proc/vmstat prints them: pages by state, the events that the kernel has, sums that readers of a kernel expect, then the
 * model's own events.
 */

import { VMSTAT_STATES, type VmstatState } from '@faultlab/core/mm/vmstat_state';
import { COUNTER_NAMES, type CounterName } from '@faultlab/core/trace/counters';
import type { Counters } from '../deltas.ts';

/** The last name that the kernel has, too. */
const LAST_KERNEL_NAME: CounterName = 'pageoutrun';
/** The kernel's names of sums over what this table splits by who or what. */
const SUMS: readonly (readonly [string, readonly CounterName[]])[] = [
  ['pgscan', ['pgscan_kswapd', 'pgscan_direct']],
  ['pgsteal', ['pgsteal_kswapd', 'pgsteal_direct']],
];

/**
 * @param states pages by state at the end, if they are known
 * @returns lines "name value"; the model's own only where they are not 0
 */
export function vmstatTable(counters: Counters, states?: Readonly<Record<VmstatState, number>>): string[] {
  const border = COUNTER_NAMES.indexOf(LAST_KERNEL_NAME);
  const line = (name: CounterName): string => `${name} ${counters[name]}`;
  const kernel = COUNTER_NAMES.slice(0, border + 1).map(line);
  const sums = SUMS.map(([name, parts]) => `${name} ${parts.reduce((sum, part) => sum + counters[part], 0)}`);
  const ours = COUNTER_NAMES.slice(border + 1).filter((name) => counters[name] !== 0);
  const pages = states === undefined ? [] : VMSTAT_STATES.map((name) => `${name} ${states[name]}`);
  return [...pages, ...kernel, ...sums, "# the model's own", ...ours.map(line)];
}
