/**
 * A program is what one CPU does in a run, as plain data: which pages it knows, what it may expect there, and its operations - a list to
 * repeat, or rules to draw them from a seed. The same program and seed give the same operations again.
 * Next: draw_op.ts, page_shadow.ts
 */
import type { Backing, Op, OpName } from './op.ts';
import type { Troubles } from './outcome.ts';

/**
 * Which pages only this CPU writes: those whose offset leaves `offset` when divided by `step`. `all` means that everybody writes
 * everything, `none` that this CPU writes nothing there.
 */
export type Ownership = { readonly step: number; readonly offset: number } | 'all' | 'none';

/** A file of the run and what a CPU may expect of it. Its number is its position in the list of the program and in that of the run. */
export interface FileUse {
  readonly name: string;
  /** Size when the run starts. */
  readonly pages: number;
  /** What a page holds that nobody has written: what its device holds, or zero. */
  readonly initial: 'token' | 'zero';
  /** Of its pages, not of those of a region. */
  readonly writes: Ownership;
  /** Who truncates it and punches holes: nobody or this CPU alone, or others too. */
  readonly discards: 'mine' | 'shared';
}

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
  /** Of a shared mapping of a file: as the file says. */
  readonly writes: Ownership;
  readonly backing?: Backing;
  /** Anonymous memory that forked address spaces share; not with `discards: 'shared'`, unless areas are replaced, too. */
  readonly sharedAnonymous?: boolean;
  /** What a fresh page holds: zero when not given, what a userfaultfd handler puts there (`fillStamp`), or either. */
  readonly fresh?: 'zero' | 'fill' | 'either';
}

/** One way to draw an operation. */
export interface DrawRule {
  readonly op: OpName;
  /** How often, relative to the other rules. */
  readonly weight: number;
  /** Position in `regions` of the range that the operation falls into; none when the operation has no range. */
  readonly region?: number;
  /** Number of the file that the operation works on, for operations that name a file instead of a range. */
  readonly file?: number;
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
  readonly files?: readonly FileUse[];
  /** Executed once, before the common start. */
  readonly setup?: readonly Op[];
  readonly body: { readonly list: readonly Op[] } | { readonly draw: readonly DrawRule[] };
  /** Operations (of a list: rounds) to execute; until told to stop when not given. */
  readonly count?: number;
  /** Of all those operations only these are executed, in ascending order: what shrinking has left of the program. */
  readonly only?: readonly KeptOp[];
  /** Signals are sent in this run: calls may be interrupted, accesses killed. */
  readonly signals?: boolean;
  /** Signals are injected, so that every wait may end with one. */
  readonly injectedSignals?: boolean;
  /** Requests of devices may fail in this run: accesses end with SIGBUS, calls with EIO, and what was not written back may be lost. */
  readonly ioErrors?: boolean;
  /** Any allocation may fail in this run. */
  readonly allocFailures?: boolean;
  /** Processes are killed for their memory in this run; never the address space that all CPUs share. */
  readonly oomKills?: boolean;
  /**
   * This CPU serves the others (it answers userfaults, signals fences, writes back): it goes on, whatever its count and however the run is
   * told to stop, until all others have ended their programs. Helpers are the last CPUs of a run.
   */
  readonly helper?: boolean;
}

/** An operation that is left of a program, by its number in the whole, and with how many pages (or rounds), if fewer than it had. */
export interface KeptOp {
  readonly index: number;
  readonly size?: number;
}

/** What the accesses and calls of the program have to be ready for. */
export const troublesOf = ({
  signals = false,
  injectedSignals = false,
  ioErrors = false,
  allocFailures = false,
  oomKills = false,
}: Program): Troubles => ({
  signals,
  injectedSignals,
  ioErrors,
  allocFailures,
  oomKills,
});
