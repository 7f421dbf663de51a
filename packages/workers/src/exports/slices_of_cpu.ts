/**
 * Finds what lasts in the events of one CPU: pairs of "about to take" and "taken", "taken" and "released", a fault and its last step.
 * Next: timeline.ts
 */
import { VM_FAULT_COMPLETED, VM_FAULT_RETRY } from '@faultlab/core/fault/vm_fault';
import { WAIT_NAMES } from '@faultlab/core/memory/percpu';
import type { Slice, SliceKind, TimedEntry } from './slice.ts';

type Cut = Slice['cut'];
type Args = Slice['args'];

interface OpenSlice {
  readonly name: string;
  readonly startUs: number;
  readonly args: Args;
}

/** Events that a CPU tells when it is in no fault. */
const BETWEEN_FAULTS: ReadonlySet<string> = new Set([
  'page_fault_user',
  'page_fault_kernel',
  'user_read',
  'user_write',
  'syscall',
  'signal',
]);
const RELEASES: ReadonlySet<string> = new Set(['mmap_lock_released', 'vma_end_read']);
const VMA_LOCKED = 0;

/** In the order in which they end. */
export function slicesOfCpu(cpu: number, entries: readonly TimedEntry[]): Slice[] {
  return [...new Locks(cpu, entries).slices(), ...faults(cpu, entries), ...sleeps(cpu, entries)].sort((a, b) => a.endUs - b.endUs);
}

const modeName = (args: Args): string => (args['write'] === 1 ? 'write' : 'read');

/** Follows mmap_lock and the locks of areas through the events of a CPU. */
class Locks {
  readonly #cpu: number;
  readonly #entries: readonly TimedEntry[];
  readonly #found: Slice[] = [];
  /** Address spaces of whose lock an event has been seen. */
  readonly #known = new Set<string>();
  /** By lock: "mmap_lock hold" and the number of the address space, and so on. */
  readonly #open = new Map<string, OpenSlice & { readonly kind: SliceKind }>();

  constructor(cpu: number, entries: readonly TimedEntry[]) {
    this.#cpu = cpu;
    this.#entries = entries;
  }

  slices(): Slice[] {
    for (const entry of this.#entries) this.#take(entry);
    const endUs = this.#entries.at(-1)?.atUs ?? 0;
    for (const key of [...this.#open.keys()]) this.#close(key, endUs, 'end');
    return this.#found;
  }

  #take({ name, args, atUs }: TimedEntry): void {
    const mm = `mm ${args['mm']}`;
    if (name === 'mmap_lock_start_locking') this.#begin('mmap_lock wait', mm, { name: modeName(args), startUs: atUs, args });
    else if (name === 'mmap_lock_acquire_returned') this.#acquired(mm, args, atUs);
    else if (name === 'mmap_lock_released') this.#released(mm, args, atUs);
    else if (name === 'vma_start_read' && args['result'] === VMA_LOCKED) {
      this.#begin('vma lock', `vma ${args['vma']}`, { name: 'read', startUs: atUs, args });
    } else if (name === 'vma_end_read') this.#close(`vma lock vma ${args['vma']}`, atUs, 'none');
    if (name.startsWith('mmap_lock_')) this.#known.add(mm);
  }

  /** What was taken before the oldest event is held from there. */
  #released(mm: string, args: Args, atUs: number): void {
    const startUs = this.#entries[0]?.atUs ?? 0;
    if (this.#known.has(mm)) this.#close(`mmap_lock hold ${mm}`, atUs, 'none');
    else this.#found.push({ cpu: this.#cpu, kind: 'mmap_lock hold', name: modeName(args), startUs, endUs: atUs, cut: 'start', args });
  }

  /** Without a beginning before it, a lock for reading that is "taken" is one for writing that became one for reading. */
  #acquired(mm: string, args: Args, atUs: number): void {
    if (this.#open.has(`mmap_lock wait ${mm}`)) this.#close(`mmap_lock wait ${mm}`, atUs, 'none');
    else this.#close(`mmap_lock hold ${mm}`, atUs, 'none');
    if (args['success'] === 1) this.#begin('mmap_lock hold', mm, { name: modeName(args), startUs: atUs, args });
  }

  #begin(kind: SliceKind, lock: string, slice: OpenSlice): void {
    const key = `${kind} ${lock}`;
    this.#close(key, slice.startUs, 'none');
    this.#open.set(key, { kind, ...slice });
  }

  #close(key: string, endUs: number, cut: Cut): void {
    const open = this.#open.get(key);
    if (open === undefined) return;
    this.#open.delete(key);
    this.#found.push({ cpu: this.#cpu, ...open, endUs, cut });
  }
}

/** A fault ends with the release after its last attempt, with COMPLETED, or, when it was refused, with the last event before the next thing. */
function faults(cpu: number, entries: readonly TimedEntry[]): Slice[] {
  return entries.flatMap((entry, position): Slice[] => {
    if (entry.name !== 'page_fault_user' && entry.name !== 'page_fault_kernel') return [];
    const rest = entries.slice(position + 1);
    const next = rest.findIndex(({ name }) => BETWEEN_FAULTS.has(name));
    const own = next < 0 ? rest : rest.slice(0, next);
    const attempts = own.filter(({ name }) => name === 'handle_mm_fault');
    const last = lastOf(own);
    const over = last >= 0 || next >= 0;
    const end = last >= 0 ? own[last] : own.at(-1);
    const args = { ...entry.args, attempts: attempts.length, result: attempts.at(-1)?.args['result'] ?? 0 };
    const name = `${entry.name === 'page_fault_user' ? 'user' : 'kernel'} fault`;
    return [{ cpu, kind: 'fault', name, startUs: entry.atUs, endUs: (end ?? entry).atUs, cut: over ? 'none' : 'end', args }];
  });
}

/** The place of the event that ends a fault, among those that follow its beginning; -1 when there is none. */
function lastOf(own: readonly TimedEntry[]): number {
  const final = own.findIndex(({ name, args }) => name === 'handle_mm_fault' && ((args['result'] ?? 0) & VM_FAULT_RETRY) === 0);
  if (final < 0) return -1;
  if (((own[final]?.args['result'] ?? 0) & VM_FAULT_COMPLETED) !== 0) return final;
  return own.findIndex(({ name }, place) => place > final && RELEASES.has(name));
}

/** A sleep is told when it is over, with its length. What is older than the oldest event is cut. */
function sleeps(cpu: number, entries: readonly TimedEntry[]): Slice[] {
  let freeFromUs = entries[0]?.atUs ?? 0;
  return entries.flatMap((entry): Slice[] => {
    if (entry.name !== 'sleep') return [];
    const beganUs = entry.atUs - (entry.args['us'] ?? 0);
    const startUs = Math.min(entry.atUs, Math.max(freeFromUs, beganUs));
    const cut = beganUs < (entries[0]?.atUs ?? 0) ? 'start' : 'none';
    freeFromUs = entry.atUs;
    return [
      { cpu, kind: 'sleep', name: WAIT_NAMES[entry.args['kind'] ?? 0] ?? 'unknown', startUs, endUs: entry.atUs, cut, args: entry.args },
    ];
  });
}
