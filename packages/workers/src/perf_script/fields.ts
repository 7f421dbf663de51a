/**
 * Reads the numbers and fields of a line, and says in one sentence what is wrong with a line that cannot be read.
 * Next: parse_record.ts and parse_syscall.ts, which use it.
 */

import { UsageError } from '@faultlab/core/base/errors';

/** Where a line is from, for messages. */
export interface Place {
  readonly file: string;
  readonly line: number;
}

const SHOWN_MAX = 160;

/** An error that says where, what was found, what was expected, and what to do. */
export function malformed(place: Place, found: string, expected: string): UsageError {
  const shown = found.length > SHOWN_MAX ? `${found.slice(0, SHOWN_MAX)}…` : found;
  return new UsageError(
    `${place.file}, line ${place.line}: expected ${expected}, found ${JSON.stringify(shown)}; ` +
      'make the text with perf script --ns --show-mmap-events --show-task-events -F comm,pid,tid,cpu,time,event,trace.',
  );
}

const LONG_HEX_DIGITS = 13;
const WORD_BITS = 64;

/**
 * Value of a hexadecimal number without its 0x. Above 2^53 the low 12 bits are dropped, so that the page stays exact;
 * values that are small negative numbers as 64-bit words come back negative.
 */
export function hexValue(digits: string): number {
  if (digits.length <= LONG_HEX_DIGITS) return Number.parseInt(digits, 16);
  const word = BigInt(`0x${digits}`);
  const signed = BigInt.asIntN(WORD_BITS, word);
  if (signed < 0n && signed >= -4095n) return Number(signed);
  return word <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(word) : Number(word & ~0xfffn);
}

const NUMBER = /^(?:0x([0-9a-f]{1,16})|(-?\d{1,15}))$/i;

/** Value of "0x1f" or "31", or undefined when `text` is neither. */
export function numberIn(text: string): number | undefined {
  const match = NUMBER.exec(text);
  if (match === null) return undefined;
  return match[1] === undefined ? Number(match[2]) : hexValue(match[1]);
}
