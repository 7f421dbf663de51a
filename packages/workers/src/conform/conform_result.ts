/**
 * What a comparison of scripts gives back: plain data, ready for JSON.
 * Next: conform.ts makes it, conform_report.ts prints it.
 */
import { grouped } from '../report/numbers.ts';
import type { Observation, ObservedKey, Space } from './record.ts';

/** An operation that the model did otherwise than the kernel. */
export interface Difference {
  readonly script: string;
  /** Line of the script, from 1. */
  readonly line: number;
  /** Number of the operation, from 0. */
  readonly op: number;
  readonly space: Space;
  readonly operation: string;
  readonly differs: readonly ObservedKey[];
  readonly expected: Observation;
  readonly got: Observation;
}

/** What the model did in one operation of a script that has no record. */
export interface Explored extends Observation {
  readonly line: number;
  readonly space: Space;
  readonly operation: string;
}

export interface ScriptResult {
  readonly name: string;
  /** There is a record to compare with. */
  readonly recorded: boolean;
  /** Operations that were run. */
  readonly run: number;
  readonly same: number;
  readonly different: number;
  /** Parts of records that were not compared, by reason. */
  readonly leftOut: Readonly<Record<string, number>>;
  /** What ended the script early because the model does not have it; null when nothing did. */
  readonly notModelled: string | null;
  /** Operations that were not run, the one that is not modelled included. */
  readonly notRun: number;
  /** Broken invariants. */
  readonly broken: readonly string[];
  /** Only without a record. */
  readonly explored: readonly Explored[];
}

export interface ConformResult {
  readonly policy: string;
  /** What was injected; absent when nothing was. */
  readonly inject?: { readonly spec: string; readonly seed: number; readonly counts: string };
  readonly scripts: readonly ScriptResult[];
  readonly differences: readonly Difference[];
}

export interface Totals {
  readonly compared: number;
  readonly same: number;
  readonly different: number;
  readonly leftOut: ReadonlyMap<string, number>;
  /** Names with the number of scripts that they ended. */
  readonly notModelled: ReadonlyMap<string, number>;
  readonly notRun: number;
  readonly broken: number;
}

export function totalsOf({ scripts }: ConformResult): Totals {
  const leftOut = new Map<string, number>();
  const notModelled = new Map<string, number>();
  const add = (to: Map<string, number>, key: string, count: number): void => void to.set(key, (to.get(key) ?? 0) + count);
  for (const script of scripts) {
    for (const [reason, parts] of Object.entries(script.leftOut)) add(leftOut, reason, parts);
    if (script.notModelled !== null) add(notModelled, script.notModelled, 1);
  }
  const sum = (of: (script: ScriptResult) => number): number => scripts.reduce((total, script) => total + of(script), 0);
  const same = sum((script) => script.same);
  const different = sum((script) => script.different);
  return {
    compared: same + different,
    same,
    different,
    leftOut,
    notModelled,
    notRun: sum((script) => script.notRun),
    broken: sum((script) => script.broken.length),
  };
}

/** Every operation of every script was run, none was different, and no invariant broke. */
export function conforms({ different, notRun, broken }: Totals): boolean {
  return different === 0 && notRun === 0 && broken === 0;
}

/** The last line of a report. @param inject see ConformResult */
export function verdictLine({ compared, same, different, leftOut }: Totals, inject?: ConformResult['inject']): string {
  const parts = [...leftOut.values()].reduce((sum, count) => sum + count, 0);
  return `conform: ${grouped(compared)} operations, ${grouped(same)} same, ${grouped(different)} different, ${grouped(parts)} left out${inject === undefined ? '' : `, inject=${inject.spec} seed=${inject.seed}`}`;
}
