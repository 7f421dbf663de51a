/** Whole programs as traces, for tests of the replay: TraceText with the calls that it lacks, each with what the kernel reports. */

import { letters, TraceText } from '../perf_script/trace_text.ts';

export const X = 0x7f0000000000;
export const STACK = 0x7ffd00000000;
export const HEAP = 0x560000000000;
export const PAGE = 0x1000;

export const EINVAL = -22;
export const ENOMEM = -12;
export const EEXIST = -17;

export const READ = 4;
export const WRITE = 6;
export const EXEC = 0x14;
/** A write to a page that is mapped read-only. */
export const WRITE_PRESENT = 7;

const FILE = 'fe:00 4711 0';

export class ProgramText extends TraceText {
  /** exec of a program with one segment, a stack and a vdso. */
  start(task: string): this {
    return this.exec(task)
      .area(task, { start: STACK - 0x21000, len: 0x21000, pgoff: 0x7ffffffde000, name: '[stack]' })
      .area(task, { start: 0x400000, len: 0x4000, pgoff: 0, prot: 'r-xp', file: FILE, name: '/prog' })
      .area(task, { start: X + 0x10000000, len: 0x2000, pgoff: 0, prot: 'r-xp', name: '[vdso]' });
  }

  /** A call that reports nothing: munmap, mremap, madvise, and every call that fails. */
  call(task: string, name: string, args: Readonly<Record<string, number>>, result = 0): this {
    return this.enter(task, name, args).leave(task, name, result);
  }

  munmap(task: string, addr: number, len: number, result = 0): this {
    return this.call(task, 'munmap', { addr, len }, result);
  }

  mprotect(task: string, start: number, len: number, prot: number): this {
    return this.enter(task, 'mprotect', { start, len, prot })
      .area(task, { start, len, prot: letters(prot) })
      .leave(task, 'mprotect', 0);
  }

  madvise(task: string, start: number, len_in: number, behavior: number, result = 0): this {
    return this.call(task, 'madvise', { start, len_in, behavior }, result);
  }

  mremap(task: string, [addr, old_len, new_len, flags, new_addr]: readonly [number, number, number, number, number], result: number): this {
    return this.call(task, 'mremap', { addr, old_len, new_len, flags, new_addr }, result);
  }

  /** A brk that grows the heap from `HEAP` to `to`. */
  brkTo(task: string, to: number): this {
    return this.enter(task, 'brk', { brk: to })
      .area(task, { start: HEAP, len: to - HEAP, name: '[heap]' })
      .leave(task, 'brk', to);
  }

  get text(): string {
    return `${this.lines.join('\n')}\n`;
  }
}

/** Process 5 with one thread. */
export const program = (): ProgramText => new ProgramText().start('5/5');
/** Process 5 with threads 5 and 6. */
export const pair = (): ProgramText => program().fork('5/5', '5/6');
