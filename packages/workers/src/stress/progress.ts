/**
 * Progress of a stress run while it lasts: a few lines that are drawn again and again on a terminal, one line every few seconds elsewhere.
 */

import { readCounters } from '@faultlab/core/trace/counters';
import { type Counters, counterDelta } from '../deltas.ts';
import type { Machine } from '../machine.ts';
import { short } from '../report/numbers.ts';
import { faultsOf } from './stress_totals.ts';

/** Where progress goes: a terminal or anything that takes text. */
export interface ProgressStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
}

const TERMINAL_MS = 500;
const LINE_MS = 4_000;
const CLEAR_LINE = '\x1b[2K';

interface Rates {
  readonly vmaLock: number;
  readonly mmapLock: number;
  readonly retries: number;
  readonly writers: number;
  readonly total: number;
}

export class StressProgress {
  readonly #stream: ProgressStream;
  readonly #seconds: number;
  readonly #startedMs: number = performance.now();
  readonly #timer: NodeJS.Timeout;
  #machine: Machine | undefined;
  #scenario = 'booting';
  #last: Counters | undefined;
  #lastMs: number = performance.now();
  #drawn = 0;
  #violations = 0;

  constructor(stream: ProgressStream, seconds: number) {
    this.#stream = stream;
    this.#seconds = seconds;
    this.#timer = setInterval(() => this.#show(), stream.isTTY === true ? TERMINAL_MS : LINE_MS);
  }

  slice(scenario: string, machine: Machine): void {
    this.#scenario = scenario;
    this.#machine = machine;
    this.#last ??= readCounters(machine.memory);
  }

  violations(count: number): void {
    this.#violations += count;
  }

  /** Takes the redrawn lines away again. */
  end(): void {
    clearInterval(this.#timer);
    this.#erase();
  }

  #show(): void {
    const rates = this.#rates();
    if (rates === undefined) return;
    const elapsed = Math.round((performance.now() - this.#startedMs) / 1000);
    const faults = `faults/s: ${short(rates.vmaLock)} vma lock, ${short(rates.mmapLock)} mmap_lock, ${short(rates.retries)} retried`;
    const rest = `writer calls/s: ${short(rates.writers)}   violations: ${this.#violations}`;
    if (this.#stream.isTTY !== true) {
      this.#stream.write(`stress: ${elapsed}/${this.#seconds} s ${this.#scenario}: ${faults}; ${rest.replace('   ', '; ')}\n`);
      return;
    }
    this.#erase();
    const bar = '#'.repeat(Math.min(30, Math.round((30 * elapsed) / this.#seconds))).padEnd(30, '.');
    const lines = [`[${bar}] ${elapsed}/${this.#seconds} s  ${this.#scenario}`, `  ${faults}`, `  ${rest}   faults: ${short(rates.total)}`];
    this.#stream.write(`${lines.join('\n')}\n`);
    this.#drawn = lines.length;
  }

  #erase(): void {
    if (this.#drawn === 0) return;
    this.#stream.write(`\x1b[${this.#drawn}A${`${CLEAR_LINE}\n`.repeat(this.#drawn)}\x1b[${this.#drawn}A`);
    this.#drawn = 0;
  }

  #rates(): Rates | undefined {
    if (this.#machine === undefined || this.#last === undefined) return undefined;
    const now = readCounters(this.#machine.memory);
    const gained = counterDelta(now, this.#last);
    const seconds = (performance.now() - this.#lastMs) / 1000;
    this.#last = now;
    this.#lastMs = performance.now();
    return {
      vmaLock: gained.vma_lock_success / seconds,
      mmapLock: gained.mmap_attempts / seconds,
      retries: gained.vma_lock_retry / seconds,
      writers: gained.mmap_write_acquired / seconds,
      total: faultsOf(now),
    };
  }
}
