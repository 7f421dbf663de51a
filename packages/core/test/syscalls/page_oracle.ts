/**
 * What a program may rely on, page by page: which pages are mapped, with which protection, and what they hold. Knows nothing of areas, page
 * tables, sharing or copying; a fork copies every page at once.
 * Next: random_programs.test.ts compares the model with it
 */
import type { MappingId } from '@faultlab/core/base/brand';
import { fileToken } from '@faultlab/core/mm/filemap';

/** One mapped page. */
export interface PageOf {
  prot: number;
  shared: boolean;
  /** Page of the file behind it, or -1. */
  fileIndex: number;
  /** What a private page holds; undefined for a page of the file that has not been written privately. */
  value: number | undefined;
  locked: boolean;
  dontfork: boolean;
  wipeonfork: boolean;
}

/** The file of a run: its pages are seen by every shared mapping, and by private ones until they are written. */
export class FileOracle {
  readonly #values: number[];

  constructor(file: MappingId, pages: number) {
    this.#values = Array.from({ length: pages }, (_, index) => fileToken(file, index));
  }

  has(index: number): boolean {
    return index < this.#values.length;
  }

  read(index: number): number {
    return this.#values[index] as number;
  }

  write(index: number, value: number): void {
    this.#values[index] = value;
  }
}

export type Seen = { readonly outcome: 'ok'; readonly value: number } | { readonly outcome: 'SEGV_MAPERR' | 'SEGV_ACCERR' | 'BUS_ADRERR' };

const WRITE = 2;

/** One address space. */
export class SpaceOracle {
  readonly pages: Map<number, PageOf> = new Map();
  readonly #file: FileOracle;

  constructor(file: FileOracle) {
    this.#file = file;
  }

  range(start: number, len: number): (PageOf | undefined)[] {
    return Array.from({ length: len }, (_, i) => this.pages.get(start + i));
  }

  map(start: number, len: number, prot: number, shared: boolean, fileIndex: number): void {
    for (let i = 0; i < len; i++) {
      const index = fileIndex < 0 ? -1 : fileIndex + i;
      const value = fileIndex < 0 ? 0 : undefined;
      this.pages.set(start + i, { prot, shared, fileIndex: index, value, locked: false, dontfork: false, wipeonfork: false });
    }
  }

  unmap(start: number, len: number): void {
    for (let i = 0; i < len; i++) this.pages.delete(start + i);
  }

  read(page: number): Seen {
    const at = this.pages.get(page);
    if (at === undefined) return { outcome: 'SEGV_MAPERR' };
    if (at.prot === 0) return { outcome: 'SEGV_ACCERR' };
    if (at.value !== undefined) return { outcome: 'ok', value: at.value };
    return this.#file.has(at.fileIndex) ? { outcome: 'ok', value: this.#file.read(at.fileIndex) } : { outcome: 'BUS_ADRERR' };
  }

  write(page: number, value: number): Seen {
    const at = this.pages.get(page);
    if (at === undefined) return { outcome: 'SEGV_MAPERR' };
    if ((at.prot & WRITE) === 0) return { outcome: 'SEGV_ACCERR' };
    if (at.value === undefined && !this.#file.has(at.fileIndex)) return { outcome: 'BUS_ADRERR' };
    if (at.shared) this.#file.write(at.fileIndex, value);
    else at.value = value;
    return { outcome: 'ok', value };
  }

  /** What is left of a page whose contents are thrown away. */
  fresh(at: PageOf): void {
    at.value = at.fileIndex < 0 ? 0 : undefined;
  }

  /** Moves the mapped pages of a range; the holes stay behind. With `keep` the old pages stay mapped, without their contents. */
  move(from: number, len: number, to: number, keep: boolean): void {
    const moved = this.range(from, len).map((at) => at && { ...at });
    for (const [i, at] of moved.entries()) {
      if (at === undefined) continue;
      if (keep) this.fresh(this.pages.get(from + i) as PageOf);
      else this.pages.delete(from + i);
      this.pages.set(to + i, at);
    }
  }

  fork(): SpaceOracle {
    const child = new SpaceOracle(this.#file);
    for (const [page, at] of this.pages) {
      if (at.dontfork) continue;
      child.pages.set(page, { ...at, locked: false });
      if (at.wipeonfork) child.fresh(child.pages.get(page) as PageOf);
    }
    return child;
  }
}
