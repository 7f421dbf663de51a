/** Writes traces for tests: lines as perf script prints them, with a clock that ticks once per line. */

import { TimelineBuilder } from '@faultlab/workers/perf_script/build_timeline';
import { parseLine } from '@faultlab/workers/perf_script/parse_line';
import type { Timeline } from '@faultlab/workers/perf_script/timeline';

const TICK_NS = 1000;
const SECOND_NS = 1_000_000_000;

const hex = (value: number): string => (value === 0 ? '0' : `0x${value.toString(16)}`);
/** Arguments are padded to 8 digits; negative ones are 64-bit words. */
const word = (value: number): string =>
  `0x${value < 0 ? BigInt.asUintN(64, BigInt(value)).toString(16) : value.toString(16).padStart(8, '0')}`;

export class TraceText {
  readonly lines: string[] = [];
  private nowNs = SECOND_NS;

  /** A line of any event. `task` is "pid/tid". */
  line(task: string, body: string): this {
    this.nowNs += TICK_NS;
    const seconds = `${Math.floor(this.nowNs / SECOND_NS)}.${String(this.nowNs % SECOND_NS).padStart(9, '0')}`;
    this.lines.push(`${'prog'.padStart(16)} ${task} [000] ${seconds.padStart(12)}: ${body}`);
    return this;
  }

  exec(task: string, name = 'prog'): this {
    return this.line(task, `PERF_RECORD_COMM exec: ${name}:${task}`);
  }

  fork(parent: string, child: string): this {
    const [from, to] = [parent, child].map((task) => task.replace('/', ':'));
    return this.line(parent, `PERF_RECORD_FORK(${to}):(${from})`);
  }

  exit(task: string): this {
    return this.line(task, `PERF_RECORD_EXIT(${task.replace('/', ':')}):(1:1)`);
  }

  fault(task: string, address: number, code = 6): this {
    return this.line(task, ` exceptions:page_fault_user: address=0x${address.toString(16)} ip=0x401000 error_code=0x${code.toString(16)}`);
  }

  enter(task: string, call: string, args: Readonly<Record<string, number>>): this {
    const list = Object.entries(args).map(([name, value]) => `${name}: ${word(value)}`);
    return this.line(task, `  syscalls:sys_enter_${call}: ${list.join(', ')}`);
  }

  leave(task: string, call: string, result: number): this {
    return this.line(task, `   syscalls:sys_exit_${call}: ${result < 0 ? word(result) : `0x${result.toString(16)}`}`);
  }

  area(task: string, { start, len, pgoff = start, prot = 'rw-p', file = '00:00 0 0', name = '/anon' }: AreaText): this {
    return this.line(task, `PERF_RECORD_MMAP2 ${task}: [${hex(start)}(${hex(len)}) @ ${hex(pgoff)} ${file}]: ${prot} ${name}`);
  }

  /** A whole mmap of private memory: three lines. */
  mmap(task: string, start: number, len: number, prot = 3): this {
    return this.enterMmap(task, { len, prot })
      .area(task, { start, len, prot: letters(prot) })
      .leave(task, 'mmap', start);
  }

  enterMmap(
    task: string,
    {
      addr = 0,
      len,
      prot = 3,
      flags = 0x22,
    }: { readonly addr?: number; readonly len: number; readonly prot?: number; readonly flags?: number },
  ): this {
    return this.enter(task, 'mmap', { addr, len, prot, flags, fd: 0xffffffff, off: 0 });
  }

  timeline(): Timeline {
    const builder = new TimelineBuilder();
    this.lines.forEach((text, index) => {
      const event = parseLine(text, { file: 'test', line: index + 1 });
      if (event !== undefined) builder.add(event);
    });
    return builder.finish(this.lines.length);
  }
}

export interface AreaText {
  readonly start: number;
  readonly len: number;
  readonly pgoff?: number;
  readonly prot?: string;
  /** "major:minor inode generation". */
  readonly file?: string;
  readonly name?: string;
}

export const letters = (prot: number): string => `${prot & 1 ? 'r' : '-'}${prot & 2 ? 'w' : '-'}${prot & 4 ? 'x' : '-'}p`;
