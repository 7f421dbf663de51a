/**
 * Numbers as people read them.
 */
const UNITS: readonly (readonly [number, string])[] = [
  [1e9, 's'],
  [1e6, 'ms'],
  [1e3, 'us'],
];

/** "850 ns", "12.4 us", "3.1 ms" */
export function duration(ns: number): string {
  for (const [size, unit] of UNITS) if (ns >= size) return `${(ns / size).toFixed(ns >= size * 100 ? 0 : 1)} ${unit}`;
  return `${Math.round(ns)} ns`;
}

/** "950", "12.3k", "4.56M" */
export function short(count: number): string {
  if (count >= 1e6) return `${(count / 1e6).toFixed(2)}M`;
  if (count >= 1e4) return `${(count / 1e3).toFixed(1)}k`;
  return String(Math.round(count));
}

/** "1,234,567" */
export const grouped = (count: number): string => Math.round(count).toLocaleString('en-US');
