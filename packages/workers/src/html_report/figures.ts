/**
 * Numbers as a page shows them.
 */
import { duration } from '../report/numbers.ts';

/** Three digits that count, "-" for nothing. */
export function said(value: number | null): string {
  if (value === null) return '-';
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1e6) return value.toExponential(2);
  if (size >= 1000) return Math.round(value).toLocaleString('en-US');
  if (size < 1e-3) return value.toExponential(1);
  return String(Number(value.toPrecision(3)));
}

/** "+12.3 %" */
export const percent = (value: number | null): string =>
  value === null ? '-' : `${value > 0 ? '+' : ''}${value.toFixed(Math.abs(value) >= 1000 ? 0 : 1)} %`;

/** "850 ns", "12.4 us" */
export const span = (ns: number): string => duration(ns);

/** Of a coordinate: a tenth of a pixel is as fine as anybody sees. */
export const at = (coordinate: number): string => String(Math.round(coordinate * 10) / 10);
