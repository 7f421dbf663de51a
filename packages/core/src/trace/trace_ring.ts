/**
 * A ring of the last events of each CPU, in shared memory: one writer, read when the machine is quiet or frozen. It observes and never decides.
 * @kernel kernel/trace/ring_buffer.c
 * @fidelity reduced: fixed-size entries, overwrites without counting readers
 */
import type { CpuId } from '../base/brand.ts';
import { RECORD_WORDS } from '../memory/layout.ts';
import type { SharedMemory } from '../memory/shared_memory.ts';
import { TRACE_EVENTS } from './events.ts';

const ENTRY = RECORD_WORDS.traceEntry;
const SEQUENCE = 0;
const EVENT = 1;
const TIME = 2;
const ARG = 3;

/** What tracing needs of a CPU. `traceNext` counts the events written so far and is this CPU's alone. */
export interface Tracing {
  readonly memory: SharedMemory;
  readonly id: CpuId;
  readonly now: () => number;
  readonly traceMask: number;
  traceNext: number;
}

/** Records one event. One test when tracing is off (traceMask < 0). */
export function trace(cpu: Tracing, event: number, a: number, b = 0, c = 0): void {
  if (cpu.traceMask < 0) return;
  record(cpu, event, a, b, c);
}

function record(cpu: Tracing, event: number, a: number, b: number, c: number): void {
  const entries = cpu.traceMask + 1;
  const sequence = cpu.traceNext++;
  const at = (cpu.id * entries + (sequence & cpu.traceMask)) * ENTRY;
  const ring = cpu.memory.trace;
  ring[at + SEQUENCE] = sequence + 1;
  ring[at + EVENT] = event;
  ring[at + TIME] = Math.round(cpu.now() * 1000) | 0;
  ring[at + ARG] = a;
  ring[at + ARG + 1] = b;
  ring[at + ARG + 2] = c;
}

export interface TraceEntry {
  readonly cpu: number;
  /** Counts from 1 on each CPU; a gap means that older events were overwritten. */
  readonly sequence: number;
  /** Microseconds on the CPU's clock, modulo 2^32. */
  readonly timeUs: number;
  readonly name: string;
  readonly args: Readonly<Record<string, number>>;
}

/** The events still in one CPU's ring, oldest first. */
export function readTrace(memory: SharedMemory, cpu: CpuId): TraceEntry[] {
  const entries = memory.size.traceEntries;
  const found: TraceEntry[] = [];
  for (let slot = 0; slot < entries; slot++) {
    const entry = entryIn(memory, cpu, slot);
    if (entry !== undefined) found.push(entry);
  }
  return found.sort((a, b) => a.sequence - b.sequence);
}

/** The events of one CPU after the first `from` and up to the `to`th, as counted by `traceNext`; those that were overwritten are missing. */
export function readTraceRange(memory: SharedMemory, cpu: CpuId, from: number, to: number): TraceEntry[] {
  const entries = memory.size.traceEntries;
  const found: TraceEntry[] = [];
  for (let event = Math.max(from, to - entries); event < to; event++) {
    const entry = entryIn(memory, cpu, event & (entries - 1));
    if (entry?.sequence === event + 1) found.push(entry);
  }
  return found;
}

function entryIn(memory: SharedMemory, cpu: CpuId, slot: number): TraceEntry | undefined {
  const at = (cpu * memory.size.traceEntries + slot) * ENTRY;
  const sequence = memory.trace[at + SEQUENCE] as number;
  const spec = TRACE_EVENTS[memory.trace[at + EVENT] as number];
  if (sequence === 0 || spec === undefined) return undefined;
  const args: Record<string, number> = {};
  spec.args.forEach((name, index) => {
    if (name !== '') args[name] = memory.trace[at + ARG + index] as number;
  });
  return { cpu, sequence, timeUs: (memory.trace[at + TIME] as number) >>> 0, name: spec.name, args };
}
