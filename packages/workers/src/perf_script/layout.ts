/**
 * The address spaces of a trace as page ranges with their protection: just enough to say whether a fault can be served.
 * @fidelity reduced: no file offsets, no merging, no limits; tests compare the kernel's records with a fuller model.
 * Next: effect_order.ts
 */

import type { AreaRecord } from './events.ts';
import { MREMAP_DONTUNMAP, PF_INSTR, PF_WRITE } from './events.ts';
import { IntervalMap } from './interval_map.ts';
import { createdBy, pagesFrom, pagesOfArea, removedBy, succeeded } from './ranges.ts';
import type { CallDetail, Detail } from './timeline.ts';

/** What the areas at the time of a fault mean for it. */
export const Outcome = { served: 0, unmapped: 1, denied: 2 } as const;
export type Outcome = (typeof Outcome)[keyof typeof Outcome];

export const PROT_READ = 1;
export const PROT_WRITE = 2;
export const PROT_EXEC = 4;
const PROT_ALL = PROT_READ | PROT_WRITE | PROT_EXEC;

/** "rw-p" as PROT_ bits. */
export const protBits = (letters: string): number =>
  (letters[0] === 'r' ? PROT_READ : 0) | (letters[1] === 'w' ? PROT_WRITE : 0) | (letters[2] === 'x' ? PROT_EXEC : 0);

/** Whether an area with this protection serves a fault with this error code. */
export function allows(prot: number, code: number): boolean {
  if ((code & PF_WRITE) !== 0) return (prot & PROT_WRITE) !== 0;
  return (code & PF_INSTR) !== 0 ? (prot & PROT_EXEC) !== 0 : prot !== 0;
}

export class Layouts {
  private readonly areas = new Map<number, IntervalMap>();

  of(space: number): IntervalMap {
    const known = this.areas.get(space);
    if (known !== undefined) return known;
    const fresh = new IntervalMap();
    this.areas.set(space, fresh);
    return fresh;
  }

  outcomeAt(space: number, page: number, code: number): Outcome {
    const prot = this.of(space).get(page);
    if (prot === undefined) return Outcome.unmapped;
    return allows(prot, code) ? Outcome.served : Outcome.denied;
  }

  /** A stack grew down to the start of `record`. Returns the end of what is new: where it began before. */
  grow(space: number, record: AreaRecord): number {
    const { start, end } = pagesOfArea(record);
    const before = Math.min(this.of(space).firstFrom(start), end);
    this.of(space).assign(start, end, protBits(record.prot));
    return before;
  }

  /** Carries out a whole operation in an address space. */
  apply(space: number, detail: Detail): void {
    switch (detail.kind) {
      case 'area': {
        const { start, end } = pagesOfArea(detail.record);
        this.of(space).assign(start, end, protBits(detail.record.prot));
        return;
      }
      case 'call':
        this.call(this.of(space), detail);
        return;
      case 'fork':
        this.areas.set(detail.childSpace, this.of(space).clone());
        return;
      case 'exec':
        this.areas.delete(space);
        return;
      case 'exit':
        if (detail.last) this.areas.delete(space);
        return;
      case 'clone':
        return;
    }
  }

  private call(areas: IntervalMap, detail: CallDetail): void {
    const { args, records } = detail;
    const created = createdBy(detail);
    const removed = removedBy(detail);
    switch (args.call) {
      case 'mmap':
        areas.assign(created.start, created.end, args.prot & PROT_ALL);
        return;
      case 'brk':
        areas.erase(removed.start, removed.end);
        areas.assign(created.start, created.end, protBits(records[0]?.prot ?? 'rw-p'));
        return;
      case 'munmap':
        areas.erase(removed.start, removed.end);
        return;
      case 'mremap':
        moveAreas(areas, detail, args);
        return;
      case 'mprotect':
        protect(areas, detail, args);
        return;
      case 'madvise':
        return;
    }
  }
}

function moveAreas(areas: IntervalMap, detail: CallDetail, args: CallDetail['args'] & { readonly call: 'mremap' }): void {
  const created = createdBy(detail);
  const removed = removedBy(detail);
  const source = pagesFrom(args.addr, Math.max(args.old_len, 1));
  const prot = areas.get(source.start) ?? PROT_READ | PROT_WRITE;
  if ((args.flags & MREMAP_DONTUNMAP) === 0) areas.erase(removed.start, removed.end);
  areas.assign(created.start, created.end, prot);
}

/** A call that failed may have changed the areas before the one that it failed at: those that it reported. */
function protect(areas: IntervalMap, detail: CallDetail, args: CallDetail['args'] & { readonly call: 'mprotect' }): void {
  const asked = pagesFrom(args.start, args.len);
  const done = succeeded(detail) ? [asked] : detail.records.map(pagesOfArea);
  for (const { start, end } of done) areas.update(Math.max(start, asked.start), Math.min(end, asked.end), () => args.prot & PROT_ALL);
}
