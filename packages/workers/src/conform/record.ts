/**
 * What one operation did, in the words of the records: seen on a kernel, or on the model.
 * Next: read_record.ts for the kernel's, observe.ts for the model's
 */

/** Number of an address space: the parent's and the child's. */
export type Space = 0 | 1;

/** One area of the layout; pages count from the start of the arena. */
export interface AreaSeen {
  readonly start: number;
  /** One past the last page. */
  readonly end: number;
  /** As in /proc/PID/maps: "rw-p". */
  readonly prot: string;
  readonly pgoff: number;
  /** Name of the file, "anon" or "shmem". */
  readonly of: string;
  /** One letter a page: "." nothing mapped, "A" anonymous, "F" file or shared, "S" swap entry. */
  readonly pages: string;
}

/** Parts of an observation that can be compared. */
export const OBSERVED_KEYS = ['result', 'minflt', 'majflt', 'vmas', 'events'] as const;
export type ObservedKey = (typeof OBSERVED_KEYS)[number];

export interface Observation {
  /** "ok", the name of an errno, or a signal. */
  readonly result: string;
  readonly minflt: number;
  readonly majflt: number;
  /** The whole layout of the address space afterwards. */
  readonly vmas: readonly AreaSeen[];
  readonly events: readonly string[];
}

/** An observation of a kernel, and what it says about itself. */
export interface KernelRecord extends Observation {
  readonly op: number;
  readonly mm: Space;
  readonly do: string;
  /** Keys that came out differently when the script ran again. */
  readonly unstable?: readonly ObservedKey[] | undefined;
  /** The operation also faulted outside the arena. */
  readonly noisy?: boolean | undefined;
}
