/**
 * Event counters as /proc/vmstat prints them: the kernel's names first, then the model's own.
 */
import { COUNTER_NAMES, type CounterName } from '@faultlab/core/trace/counters';
import type { Counters } from '../deltas.ts';

/** The last name that the kernel has, too. */
const LAST_KERNEL_NAME: CounterName = 'drop_pagecache';

/** @returns lines "name value"; the model's own only where they are not 0 */
export function vmstatTable(counters: Counters): string[] {
  const border = COUNTER_NAMES.indexOf(LAST_KERNEL_NAME);
  const line = (name: CounterName): string => `${name} ${counters[name]}`;
  const kernel = COUNTER_NAMES.slice(0, border + 1).map(line);
  const ours = COUNTER_NAMES.slice(border + 1).filter((name) => counters[name] !== 0);
  return [...kernel, "# the model's own", ...ours.map(line)];
}
