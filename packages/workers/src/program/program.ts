/**
 * A program is what one CPU does in a run, as plain data: which pages it knows, what it may expect there, and its operations - a list to
 * repeat, or rules to draw them from a seed. The same program and seed give the same operations again.
 * Next: draw_op.ts, page_shadow.ts
 */
import type { Op, OpName } from './op.ts';

/** A range of pages and what a CPU may expect of it. */
export interface Region {
  readonly name: string;
  readonly start: number;
  readonly pages: number;
  /** Protection of the whole range when the run starts, or 'unmapped'. */
  readonly initial: number | 'unmapped';
  /** Who changes areas and protections during the run: nobody, this CPU alone, or others too. */
  readonly layout: 'fixed' | 'mine' | 'shared';
  /** Who may throw contents away (munmap, MADV_DONTNEED): nobody or this CPU alone, or others too. */
  readonly discards: 'mine' | 'shared';
  /**
   * Which pages only this CPU writes: those whose offset leaves `offset` when divided by `step`. `all` means that everybody writes
   * everything, `none` that this CPU writes nothing here.
   */
  readonly writes: { readonly step: number; readonly offset: number } | 'all' | 'none';
}

/** One way to draw an operation. */
export interface DrawRule {
  readonly op: OpName;
  /** How often, relative to the other rules. */
  readonly weight: number;
  /** Position in `regions` of the range that the operation falls into; 0 when the operation has no range. */
  readonly region?: number;
  /** Fewest and most pages; one page when not given. `whole` takes the whole region. */
  readonly pages?: readonly [number, number] | 'whole';
  /** Where operations may begin: a multiple of so many pages from the start of the region. */
  readonly align?: number;
  /** Protections, flags or advices to choose from: the third number of the operation. */
  readonly choices?: readonly number[];
  /** The fourth number: flags of mmap and mremap. */
  readonly flags?: number;
}

export interface Program {
  readonly regions: readonly Region[];
  /** Executed once, before the common start. */
  readonly setup?: readonly Op[];
  readonly body: { readonly list: readonly Op[] } | { readonly draw: readonly DrawRule[] };
  /** Operations (of a list: rounds) to execute; until told to stop when not given. */
  readonly count?: number;
  /** Signals are sent in this run: calls may be interrupted, accesses killed. */
  readonly signals?: boolean;
}
