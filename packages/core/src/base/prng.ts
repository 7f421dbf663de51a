/**
 * A small seeded generator (sfc32, seeded through splitmix32), so that a run can be drawn from one number.
 * Every CPU has its own stream: fork(stream).
 */
export class Prng {
  #a: number;
  #b: number;
  #c: number;
  #counter: number;

  /** @param seed any 32-bit number; @param stream keeps several generators of one seed apart */
  constructor(seed: number, stream = 0) {
    let state = (seed ^ Math.imul(stream + 1, 0x9e3779b9)) | 0;
    const splitmix = (): number => {
      state = (state + 0x9e3779b9) | 0;
      let z = state;
      z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
      return z ^ (z >>> 15);
    };
    this.#a = splitmix();
    this.#b = splitmix();
    this.#c = splitmix();
    this.#counter = 1;
    for (let i = 0; i < 12; i++) this.next();
  }

  /** 32 random bits as an unsigned number. */
  next(): number {
    const result = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + result;
    return result >>> 0;
  }

  /** A whole number in [0, n), n between 1 and 2^31. */
  below(n: number): number {
    return Math.floor((this.next() / 0x1_0000_0000) * n);
  }

  /** A whole number in [low, high). */
  between(low: number, high: number): number {
    return low + this.below(high - low);
  }

  /** True once in about (outOf / times) draws. */
  chance(times: number, outOf: number): boolean {
    return this.below(outOf) < times;
  }

  /** One element of a non-empty list. */
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }
}
