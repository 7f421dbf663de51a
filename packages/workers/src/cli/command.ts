/**
 * What every command of the command line shares: its exit codes, its output, and parsers whose complaints are full sentences.
 * Next: main.ts puts the commands together.
 */
import { resolve } from 'node:path';
import { UsageError } from '@faultlab/core/base/errors';
import type { Command } from 'commander';
import { STALL_MS_LEAST, STALL_MS_MOST, wholeNumber } from '../machine_config.ts';

export const EXIT_GOOD = 0;
/** The thing tested is bad. */
export const EXIT_BAD = 1;
export const EXIT_MISUSE = 2;
/** Nothing moved any more. */
export const EXIT_STALL = 3;
export const EXIT_INTERRUPTED = 130;

/** Where text goes: a stream of the process, or anything that takes text. */
export interface TextSink {
  write(text: string): unknown;
  readonly isTTY?: boolean;
}

/** What a command is given besides its options. */
export interface CliContext {
  readonly out: TextSink;
  readonly errors: TextSink;
  /** The exit code of the process; 0 unless somebody calls this. */
  exit(code: number): void;
}

/** Adds one command to the program. */
export type CliCommand = (program: Command, context: CliContext) => void;

/** A parser for whole numbers: digits only, so that no number is silently another one. */
export const integer =
  (name: string, least: number, most: number) =>
  (text: string): number => {
    if (!/^\d+$/.test(text)) throw new UsageError(`${name} is "${text}", but it must be a whole number from ${least} to ${most}.`);
    return wholeNumber(name, Number(text), least, most);
  };

/** A parser for seconds. */
export const seconds =
  (name: string, most: number) =>
  (text: string): number => {
    const value = Number(text);
    if (!/^\d+(\.\d+)?$/.test(text) || !(value > 0 && value <= most)) {
      throw new UsageError(`${name} is "${text}", but it must be a number above 0 and up to ${most}.`);
    }
    return value;
  };

/** The one value that --verify takes. */
export function deepOnly(text: string): 'deep' {
  if (text !== 'deep') throw new UsageError(`--verify is "${text}", but it must be "deep"; correct it.`);
  return text;
}

/** A file named on the command line, seen from where the user typed it: pnpm runs scripts elsewhere. */
export const userPath = (file: string): string => resolve(process.env['INIT_CWD'] ?? process.cwd(), file);

/** Seeds are 32 bits. */
export const SEED_MAX = 0xffff_ffff;

/** Help of every --inject option. */
export const INJECT_HELP: string =
  'what is to go wrong: name[:key=value,...], separated by commas; may be given several times (see faultlab list injections)';

/** Parser and help of every --stall-ms option. */
export const stallMs: (text: string) => number = integer('--stall-ms', STALL_MS_LEAST, STALL_MS_MOST);
export const STALL_HELP: string = 'a CPU that makes no progress for so many milliseconds has stalled (default: 10000 for every 16 CPUs)';

/** Help of every --policy option. */
export const POLICY_HELP: string = `kernel or proposal to follow: a name (see faultlab list policies), or the path of a module that exports one`;
