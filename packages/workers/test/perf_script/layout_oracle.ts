/**
 * A second, fuller model of address spaces, for tests: areas with protection, file and offset, that split as they are cut
 * and merge when the kernel says so. It checks that every area that the kernel reported is what the calls before it imply.
 */

import { type AreaRecord, MREMAP_DONTUNMAP, PF_INSTR, PF_WRITE, pageAfter, pageOf } from '@faultlab/workers/perf_script/events';
import { type CallDetail, type Detail, detailOf, OpKind, type Timeline } from '@faultlab/workers/perf_script/timeline';

interface Vma {
  start: number;
  end: number;
  prot: string;
  file: string;
  pgoff: number;
}

const MAP_FIXED = 0x10;
const MAP_ANONYMOUS = 0x20;
const letters = (prot: number): string => `${prot & 1 ? 'r' : '-'}${prot & 2 ? 'w' : '-'}${prot & 4 ? 'x' : '-'}`;

export class LayoutOracle {
  /** What did not fit, as sentences. */
  readonly problems: string[] = [];
  compared = 0;
  private readonly timeline: Timeline;
  private readonly spaces = new Map<number, Vma[]>();

  /** `offsets`: whether the offsets of reported areas are compared too. */
  private readonly offsets: boolean;

  constructor(timeline: Timeline, { offsets = true }: { readonly offsets?: boolean } = {}) {
    this.timeline = timeline;
    this.offsets = offsets;
  }

  /** Carries out one operation. A fault returns whether an area serves it. */
  run(op: number): boolean {
    const space = this.timeline.ops.space[op] as number;
    if (this.timeline.ops.kind[op] === OpKind.fault) return this.fault(op, space);
    this.apply(op, space, detailOf(this.timeline, op));
    return true;
  }

  private fault(op: number, space: number): boolean {
    const growth = this.timeline.growth.get(op);
    if (growth !== undefined) this.grow(op, space, growth);
    const page = pageOf(this.timeline.ops.value[op] as number);
    const code = this.timeline.ops.code[op] as number;
    const vma = this.of(space).find(({ start, end }) => page >= start && page < end);
    if (vma === undefined) return false;
    if ((code & PF_WRITE) !== 0) return vma.prot[1] === 'w';
    return (code & PF_INSTR) !== 0 ? vma.prot[2] === 'x' : vma.prot !== '---';
  }

  private apply(op: number, space: number, detail: Detail): void {
    if (detail.kind === 'area') {
      this.put(space, vmaOf(detail.record));
      this.check(op, space, detail.record);
    } else if (detail.kind === 'call') {
      if (detail.result >= 0 || detail.result < -4095) this.call(op, space, detail);
      for (const record of detail.records) this.check(op, space, record);
    } else if (detail.kind === 'fork') {
      this.spaces.set(
        detail.childSpace,
        this.of(space).map((vma) => ({ ...vma })),
      );
    } else if (detail.kind === 'exec' || (detail.kind === 'exit' && detail.last)) {
      this.spaces.delete(space);
    }
  }

  private call(op: number, space: number, { args, result, records, brkBefore }: CallDetail): void {
    switch (args.call) {
      case 'mmap': {
        const start = pageOf(result);
        const end = start + pageAfter(args.len);
        if ((args.flags & MAP_FIXED) === 0 && this.within(space, start, end).length > 0)
          this.say(op, 'mmap found a place that is not free');
        const record = records[0];
        const file = record?.file ?? '';
        const pgoff = file === '' && (args.flags & MAP_ANONYMOUS) !== 0 ? start : args.off / 4096;
        this.put(space, { start, end, prot: letters(args.prot), file, pgoff });
        return;
      }
      case 'munmap':
        this.cut(space, pageOf(args.addr), pageAfter(args.addr + args.len));
        return;
      case 'brk':
        if (result > brkBefore)
          this.put(space, { start: pageAfter(brkBefore), end: pageAfter(result), prot: 'rw-', file: '', pgoff: pageAfter(brkBefore) });
        else this.cut(space, pageAfter(result), pageAfter(brkBefore));
        return;
      case 'mprotect':
        this.splitAt(space, pageOf(args.start));
        this.splitAt(space, pageAfter(args.start + args.len));
        for (const vma of this.within(space, pageOf(args.start), pageAfter(args.start + args.len))) vma.prot = letters(args.prot);
        return;
      case 'mremap': {
        const source = this.within(space, pageOf(args.addr), pageOf(args.addr) + 1)[0];
        if (source === undefined) {
          this.say(op, 'mremap moves what is not there');
          return;
        }
        const pgoff = source.pgoff + pageOf(args.addr) - source.start;
        const moved = { start: pageOf(result), end: pageOf(result) + pageAfter(args.new_len), prot: source.prot, file: source.file, pgoff };
        if ((args.flags & MREMAP_DONTUNMAP) === 0) this.cut(space, pageOf(args.addr), pageAfter(args.addr + args.old_len));
        if (this.within(space, moved.start, moved.end).length > 0) this.say(op, 'mremap moves to a place that is not free');
        this.put(space, moved);
        return;
      }
      case 'madvise':
        return;
    }
  }

  private grow(op: number, space: number, record: AreaRecord): void {
    const grown = vmaOf(record);
    const before = this.within(space, grown.start, grown.end);
    if (before.length !== 1 || before[0]?.end !== grown.end || before[0].pgoff - grown.pgoff !== before[0].start - grown.start)
      this.say(op, 'grows what is no stack');
    this.put(space, grown);
    this.compared++;
  }

  /** The record must be whole areas that can be one: the same protection and file, and offsets that go on. */
  private check(op: number, space: number, record: AreaRecord): void {
    this.compared++;
    const wanted = vmaOf(record);
    const parts = this.within(space, wanted.start, wanted.end);
    let at = wanted.start;
    for (const part of parts) {
      const linear = !this.offsets || part.pgoff - wanted.pgoff === part.start - wanted.start;
      if (part.start !== at || part.prot !== wanted.prot || part.file !== wanted.file || !linear) {
        this.say(op, `${JSON.stringify(part)} is no part of ${JSON.stringify(record)}`);
        return;
      }
      at = part.end;
    }
    if (at !== wanted.end) {
      this.say(op, `areas end at page ${at.toString(16)}, not where ${JSON.stringify(record)} does`);
      return;
    }
    this.put(space, wanted);
  }

  private say(op: number, problem: string): void {
    this.problems.push(`operation ${op}: ${problem}`);
  }

  private of(space: number): Vma[] {
    const vmas = this.spaces.get(space) ?? [];
    this.spaces.set(space, vmas);
    return vmas;
  }

  private within(space: number, start: number, end: number): Vma[] {
    return this.of(space).filter((vma) => vma.start < end && start < vma.end);
  }

  private put(space: number, vma: Vma): void {
    this.cut(space, vma.start, vma.end);
    const vmas = this.of(space);
    const next = vmas.findIndex(({ start }) => start >= vma.end);
    vmas.splice(next === -1 ? vmas.length : next, 0, vma);
  }

  private cut(space: number, start: number, end: number): void {
    this.splitAt(space, start);
    this.splitAt(space, end);
    this.spaces.set(
      space,
      this.of(space).filter((vma) => !(vma.start < end && start < vma.end)),
    );
  }

  private splitAt(space: number, page: number): void {
    const vmas = this.of(space);
    const index = vmas.findIndex(({ start, end }) => start < page && page < end);
    const vma = vmas[index];
    if (vma === undefined) return;
    vmas.splice(index + 1, 0, { ...vma, start: page, pgoff: vma.pgoff + page - vma.start });
    vma.end = page;
  }
}

const vmaOf = ({ start, len, prot, file, pgoff }: AreaRecord): Vma => ({
  start: pageOf(start),
  end: pageAfter(start + len),
  prot: prot.slice(0, 3),
  file,
  pgoff: pageOf(pgoff),
});
