/**
 * Reads the arguments and the result of the six system calls that change an address space.
 * Next: parse_line.ts
 */

import type { SysArgs, SysCall } from './events.ts';
import { SYS_CALLS } from './events.ts';
import { malformed, numberIn, type Place } from './fields.ts';

/** The tracepoint's names of the arguments, in order; a kernel with another spelling gives the second one. */
const ARGUMENTS: Readonly<Record<SysCall, readonly string[]>> = {
  mmap: ['addr', 'len', 'prot', 'flags', 'fd', 'off|offset'],
  munmap: ['addr', 'len'],
  mprotect: ['start', 'len', 'prot'],
  mremap: ['addr', 'old_len', 'new_len', 'flags', 'new_addr'],
  madvise: ['start', 'len_in|len', 'behavior'],
  brk: ['brk'],
};

/** The call that a tracepoint's short name ("sys_enter_mmap") is about, or undefined when it is none of the six. */
export function callNamed(name: string): SysCall | undefined {
  return SYS_CALLS.find((call) => call === name);
}

/** Reads "addr: 0x0, len: 0x2000, …". Throws UsageError when an argument is missing, unknown or not a number. */
export function parseArguments(call: SysCall, text: string, place: Place): SysArgs {
  const names = ARGUMENTS[call];
  const shape = (): string => `"${names.map((name) => `${name.split('|')[0]}: 0x…`).join(', ')}" for ${call}`;
  const given = text.split(/, */);
  if (given.length !== names.length) throw malformed(place, text, shape());
  const values = given.map((field, index) => {
    const match = /^(\w{1,20}): *(\S{1,24})$/.exec(field);
    const value = match === null ? undefined : numberIn(match[2] as string);
    if (match === null || value === undefined || !(names[index] as string).split('|').includes(match[1] as string))
      throw malformed(place, text, shape());
    return value;
  });
  return withNames(call, values);
}

/** A descriptor is an int: what was passed as 0xffffffff is -1. */
const asInt = (value: number): number => (value >= -1 ? value | 0 : value);

function withNames(call: SysCall, values: readonly number[]): SysArgs {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = values;
  switch (call) {
    case 'mmap':
      return { call, addr: a, len: b, prot: c, flags: d, fd: asInt(e), off: f };
    case 'munmap':
      return { call, addr: a, len: b };
    case 'mprotect':
      return { call, start: a, len: b, prot: c };
    case 'mremap':
      return { call, addr: a, old_len: b, new_len: c, flags: d, new_addr: e };
    case 'madvise':
      return { call, start: a, len_in: b, behavior: asInt(c) };
    case 'brk':
      return { call, brk: a };
  }
}

/** Reads the result of a call: "0x7f…", "0x0", or a negative errno as a 64-bit word. */
export function parseResult(text: string, place: Place): number {
  const value = numberIn(text.trim());
  if (value === undefined) throw malformed(place, text, 'the result of a system call as one number');
  return value;
}
