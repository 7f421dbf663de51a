/**
 * What a soak says while it runs: a line a minute.
 * Next: soak_run.ts
 */
import { short } from '../report/numbers.ts';
import type { StressSoFar } from '../stress/run_stress.ts';
import { faultsOf } from '../stress/stress_totals.ts';

/** How far a run was at a line. */
export interface LinePoint {
  readonly faults: number;
  readonly wallMs: number;
}

export const pointOf = ({ totals }: StressSoFar): LinePoint => ({ faults: faultsOf(totals.counters), wallMs: totals.wallMs });

interface MinuteNow {
  readonly scenario: string;
  readonly rssBytes: number;
  /** The point of the line before. */
  readonly since: LinePoint;
}

/** "stress: 0:12:00 of 2:00:00, slice 240 (fork_cow): 61.20M faults, 85.0k/s; memory 182 MiB" */
export function minuteLine(seconds: number, soFar: StressSoFar, { scenario, rssBytes, since }: MinuteNow): string {
  const { faults, wallMs } = pointOf(soFar);
  const rate = (faults - since.faults) / Math.max(0.001, (wallMs - since.wallMs) / 1000);
  return (
    `stress: ${clock(soFar.elapsedMs / 1000)} of ${clock(seconds)}, slice ${soFar.slices} (${scenario}): ` +
    `${short(faults)} faults, ${short(rate)}/s; memory ${(rssBytes / 2 ** 20).toFixed(0)} MiB`
  );
}

/** "1:05:09": hours, minutes, seconds. */
export function clock(seconds: number): string {
  const whole = Math.floor(seconds);
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}
