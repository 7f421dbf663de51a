/**
 * Keeps a matrix within its time: what every cell needs at least is always done, and what only makes it more certain is left out when the run is late.
 * The table says how many runs each cell has had.
 */
export class Pace {
  readonly #now: () => number;
  readonly #startedMs: number;
  readonly #limitMs: number;
  #fromMs: number;
  #untilMs: number;
  #items = 1;
  #done = 0;

  /** @param limitSeconds for all of it @param now in milliseconds */
  constructor(limitSeconds: number, now: () => number = () => performance.now()) {
    this.#now = now;
    this.#startedMs = now();
    this.#limitMs = limitSeconds * 1000;
    this.#fromMs = this.#startedMs;
    this.#untilMs = this.#startedMs;
  }

  /** A phase of so many items begins; it is to end when this share of the whole time is gone. */
  phase(items: number, endShare: number): void {
    this.#fromMs = this.#now();
    this.#untilMs = this.#startedMs + this.#limitMs * endShare;
    this.#items = Math.max(1, items);
    this.#done = 0;
  }

  /** The next item of the phase is over. */
  next(): void {
    this.#done++;
  }

  /** Is there time for more than the item needs at least? */
  get inTime(): boolean {
    const due = this.#fromMs + ((this.#untilMs - this.#fromMs) * (this.#done + 1)) / this.#items;
    return this.#now() < due;
  }

  get elapsedSeconds(): number {
    return (this.#now() - this.#startedMs) / 1000;
  }
}
