/**
 * What a long run needs of the host's memory, as a list that never grows beyond a fixed length: when it is full, every second sample goes and
 * samples are taken half as often.
 * Next: soak_run.ts takes the samples, soak_file.ts keeps them
 */

export interface MemorySample {
  /** Of the run, all processes together. */
  readonly elapsedMs: number;
  /** Which process it was, from 1. */
  readonly session: number;
  /** Memory that the process had, as the host counts it. */
  readonly rssBytes: number;
}

/** What a file keeps. */
export interface MemoryRecord {
  /** Between two samples. */
  readonly everyMinutes: number;
  readonly samples: readonly MemorySample[];
  /** Of the last process, two minutes after it began; null when it did not get that far. */
  readonly afterTwoMinutes: number | null;
  /** Of the last process. */
  readonly last: number | null;
  readonly peak: number | null;
}

export const SAMPLES_MAX = 256;
/** By then everything is compiled and every table has been used. */
const SETTLED_MINUTES = 2;

export class MemoryLog {
  readonly #session: number;
  #samples: readonly MemorySample[];
  #everyMinutes: number;
  #minutes = 0;
  #afterTwoMinutes: number | null = null;
  #last: number | null = null;
  #peak: number | null = null;

  /** @param earlier what the processes before kept */
  constructor(session: number, earlier?: MemoryRecord) {
    this.#session = session;
    this.#samples = earlier?.samples ?? [];
    this.#everyMinutes = earlier?.everyMinutes ?? 1;
  }

  /** Another minute of this process is over. */
  minute(elapsedMs: number, rssBytes: number): void {
    this.#minutes++;
    this.look(rssBytes);
    if (this.#minutes === SETTLED_MINUTES) this.#afterTwoMinutes = rssBytes;
    if (this.#minutes % this.#everyMinutes !== 0) return;
    const samples = [...this.#samples, { elapsedMs, session: this.#session, rssBytes }];
    const full = samples.length > SAMPLES_MAX;
    this.#samples = full ? samples.filter((_, place) => place % 2 === 1) : samples;
    if (full) this.#everyMinutes *= 2;
  }

  /** At any other moment: for the last value and the highest one. */
  look(rssBytes: number): void {
    this.#last = rssBytes;
    this.#peak = Math.max(this.#peak ?? 0, rssBytes);
  }

  get record(): MemoryRecord {
    return {
      everyMinutes: this.#everyMinutes,
      samples: this.#samples,
      afterTwoMinutes: this.#afterTwoMinutes,
      last: this.#last,
      peak: this.#peak,
    };
  }
}

const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MiB`;

/** The line of the summary that compares the end with the moment when everything had settled. */
export function memoryLine({ afterTwoMinutes, last, peak }: MemoryRecord): string {
  if (last === null || peak === null) return 'Memory of the process: not looked at.';
  const most = `${mib(peak)} at most`;
  if (afterTwoMinutes === null)
    return `Memory of the process: ${mib(last)} at the end, ${most}; less than two minutes, so nothing to compare with.`;
  return `Memory of the process: ${mib(afterTwoMinutes)} after two minutes, ${mib(last)} at the end (x ${(last / afterTwoMinutes).toFixed(2)}), ${most}.`;
}
