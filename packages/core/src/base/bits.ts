/** Bit and rounding arithmetic on non-negative safe integers. */

/** Rounds up to a multiple of a power of two that fits 31 bits; works beyond 2^31 too. */
export function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}

/** Number of set bits in a 32-bit word. @kernel hweight32() */
export function hweight32(word: number): number {
  let w = word - ((word >>> 1) & 0x55555555);
  w = (w & 0x33333333) + ((w >>> 2) & 0x33333333);
  return Math.imul((w + (w >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
