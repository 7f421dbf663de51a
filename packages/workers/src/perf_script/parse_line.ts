/**
 * One line of `perf script` text to one event. Pure: no state between lines.
 * Next: read_trace.ts feeds it a file.
 */

import type { EventHead, TraceEvent } from './events.ts';
import { hexValue, malformed, type Place } from './fields.ts';
import { parseRecord } from './parse_record.ts';
import { callNamed, parseArguments, parseResult } from './parse_syscall.ts';

/** A line longer than this is no line of `perf script`; the longest real ones hold a path of 4096 bytes. */
export const LINE_CHARS_MAX = 16_384;

/** "pid/tid [cpu] seconds.fraction: ", with anything before it as the thread's name. */
const HEAD = /(?:^|\s)(-?\d{1,10}) {0,8}\/ {0,8}(-?\d{1,10}) +(?:\[(\d{1,6})\] +)?(\d{1,10})\.(\d{9}|\d{6}): +/;
const HEAD_SHAPE = '"comm pid/tid [cpu] seconds: event: arguments"';
const HEAD_WITHOUT_TID = /(?:^|\s)\d{1,10} +(?:\[\d{1,6}\] +)?\d{1,10}\.\d{1,9}: +/;
const HEAD_WITHOUT_TIME = /(?:^|\s)-?\d{1,10} {0,8}\/ {0,8}-?\d{1,10} +(?:\[\d{1,6}\] +)?(?!\d)\S/;
/** A frame of a call chain, which perf script prints on lines of their own below an event. */
const FRAME = /^\s+[0-9a-f]{1,16} \S.*\)$/;
const LOST_CHUNK = /\bLOST (\d{1,15}) (?:events|EVENTS)\b/;
/** The name of an event; perf adds ":u" and the like for its modifiers. */
const NAME = /^(?:\d+ +)?([^\s:]+(?::[^\s:]+)*?)(?::[ukhGHpPSDWe]+)?:(?: +(.*))?$/;
const FAULT = /^address=0x([0-9a-f]{1,16}) ip=0x([0-9a-f]{1,16}) error_code=0x([0-9a-f]{1,8})$/;
const FAULT_SHAPE = '"address=0x… ip=0x… error_code=0x…" with plain numbers';
const NS_PER_SECOND = 1_000_000_000;

/**
 * Reads one line (without its line end). Returns undefined for what carries no event: blank lines, "#" comments, call
 * chains. An event of a kind that is not used here becomes 'other'. Throws UsageError for everything else.
 */
export function parseLine(text: string, place: Place): TraceEvent | undefined {
  const line = text.endsWith('\r') ? text.slice(0, -1) : text;
  if (line.length > LINE_CHARS_MAX) throw malformed(place, line, `a line of at most ${LINE_CHARS_MAX} characters`);
  const match = HEAD.exec(line);
  if (match === null) return parseHeadless(line, place);
  const head = headOf(line, match, place);
  return parseBody(head, line.slice(match.index + match[0].length), place);
}

function headOf(line: string, match: RegExpExecArray, place: Place): EventHead {
  const [, pid, tid, cpu, seconds, fraction] = match as unknown as [string, string, string, string | undefined, string, string];
  const timeNs = Number(seconds) * NS_PER_SECOND + Number(fraction.padEnd(9, '0'));
  if (!Number.isSafeInteger(timeNs)) throw malformed(place, line, 'a time below 9,000,000 seconds');
  return {
    line: place.line,
    comm: line.slice(0, match.index).trim(),
    pid: Number(pid),
    tid: Number(tid),
    cpu: cpu === undefined ? -1 : Number(cpu),
    timeNs,
  };
}

function parseHeadless(line: string, place: Place): TraceEvent | undefined {
  if (line.trim() === '' || line.startsWith('#')) return undefined;
  const lost = LOST_CHUNK.exec(line);
  if (lost !== null) return { line: place.line, comm: '', pid: -1, tid: -1, cpu: -1, timeNs: -1, kind: 'lost', count: Number(lost[1]) };
  if (FRAME.test(line)) return undefined;
  if (HEAD_WITHOUT_TID.test(line)) throw malformed(place, line, 'both the process and the thread ("pid/tid") in each line');
  if (HEAD_WITHOUT_TIME.test(line)) throw malformed(place, line, 'a time in seconds with 6 or 9 digits after the point in each line');
  throw malformed(place, line, HEAD_SHAPE);
}

function parseBody(head: EventHead, body: string, place: Place): TraceEvent {
  if (body.startsWith('PERF_RECORD_')) return parseRecord(head, body, place);
  const match = NAME.exec(body);
  if (match === null) throw malformed(place, body, 'the name of an event and a colon');
  const name = match[1] as string;
  const rest = (match[2] ?? '').trim();
  if (name === 'exceptions:page_fault_user') return parseFault(head, rest, place);
  const enter = name.startsWith('syscalls:sys_enter_') ? callNamed(name.slice('syscalls:sys_enter_'.length)) : undefined;
  if (enter !== undefined) return { ...head, kind: 'enter', args: parseArguments(enter, rest, place) };
  const leave = name.startsWith('syscalls:sys_exit_') ? callNamed(name.slice('syscalls:sys_exit_'.length)) : undefined;
  if (leave !== undefined) return { ...head, kind: 'leave', call: leave, result: parseResult(rest, place) };
  return { ...head, kind: 'other', name };
}

function parseFault(head: EventHead, rest: string, place: Place): TraceEvent {
  const match = FAULT.exec(rest);
  if (match === null) throw malformed(place, rest, FAULT_SHAPE);
  return {
    ...head,
    kind: 'fault',
    address: addressOf(match[1] as string),
    ip: addressOf(match[2] as string),
    error_code: hexValue(match[3] as string),
  };
}

/** An address in the last page of the 64-bit space reads as a negative number; its page is what counts here. */
function addressOf(digits: string): number {
  const value = hexValue(digits);
  return value < 0 ? 2 ** 64 - 4096 : value;
}
