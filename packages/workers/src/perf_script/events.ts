/**
 * What a line of `perf script` can say, as plain objects. Addresses and lengths are bytes, times are whole nanoseconds.
 * Next: parse_line.ts makes these from text.
 */

/** What every line starts with. */
export interface EventHead {
  /** Number of the line in its file, from 1. */
  readonly line: number;
  /** Name of the thread, as the kernel cut it; it may hold spaces and any punctuation. */
  readonly comm: string;
  readonly pid: number;
  readonly tid: number;
  /** -1 when the trace has no such column. */
  readonly cpu: number;
  readonly timeNs: number;
}

/** The arguments of the six system calls, under the kernel's names for them. */
export type SysArgs =
  | {
      readonly call: 'mmap';
      readonly addr: number;
      readonly len: number;
      readonly prot: number;
      readonly flags: number;
      readonly fd: number;
      readonly off: number;
    }
  | { readonly call: 'munmap'; readonly addr: number; readonly len: number }
  | { readonly call: 'mprotect'; readonly start: number; readonly len: number; readonly prot: number }
  | {
      readonly call: 'mremap';
      readonly addr: number;
      readonly old_len: number;
      readonly new_len: number;
      readonly flags: number;
      readonly new_addr: number;
    }
  | { readonly call: 'madvise'; readonly start: number; readonly len_in: number; readonly behavior: number }
  | { readonly call: 'brk'; readonly brk: number };

export type SysCall = SysArgs['call'];

export const SYS_CALLS: readonly SysCall[] = ['mmap', 'munmap', 'mprotect', 'mremap', 'madvise', 'brk'];

/** An area as the kernel reported it after making or changing it, neighbours that it merged with included. */
export interface AreaRecord {
  readonly start: number;
  readonly len: number;
  /** Offset in the file, in bytes; for memory without a file what the kernel keeps in its place. */
  readonly pgoff: number;
  /** Four letters, such as "rw-p". */
  readonly prot: string;
  /** "dev:inode:generation", or a build id; empty for memory without a file. */
  readonly file: string;
  readonly name: string;
}

export type TraceEvent = EventHead &
  (
    | { readonly kind: 'fault'; readonly address: number; readonly ip: number; readonly error_code: number }
    | { readonly kind: 'enter'; readonly args: SysArgs }
    /** `result` is an address or 0, or a negative errno. */
    | { readonly kind: 'leave'; readonly call: SysCall; readonly result: number }
    | { readonly kind: 'area'; readonly owner: TaskName; readonly area: AreaRecord }
    | { readonly kind: 'fork'; readonly child: TaskName; readonly parent: TaskName }
    | { readonly kind: 'comm'; readonly task: TaskName; readonly name: string; readonly exec: boolean }
    | { readonly kind: 'exit'; readonly task: TaskName }
    | { readonly kind: 'lost'; readonly count: number }
    /** An event that is not used here; `name` says which. */
    | { readonly kind: 'other'; readonly name: string }
  );

/** A thread as the trace names it. */
export interface TaskName {
  readonly pid: number;
  readonly tid: number;
}

/** Bits of a page fault's error code on x86. */
export const PF_PROT: number = 1 << 0;
export const PF_WRITE: number = 1 << 1;
export const PF_INSTR: number = 1 << 4;

export const MREMAP_DONTUNMAP = 4;

/** Lowest value of a result that is an errno. */
export const ERRNO_MIN = -4095;

export const PAGE_BYTES = 4096;

/** Number of the page that holds a byte. Addresses have up to 47 bits, too many for a shift. */
export const pageOf = (address: number): number => Math.floor(address / PAGE_BYTES);

/** Number of the first page at or after a byte. */
export const pageAfter = (address: number): number => Math.ceil(address / PAGE_BYTES);
