/** The stretch of a timeline that is shown: how it moves and zooms, without leaving the whole. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
}

/** Microseconds. */
const SHORTEST = 5;

export function fitted({ from, to }: Stretch, end: number): Stretch {
  const length = Math.min(Math.max(to - from, Math.min(SHORTEST, end)), end);
  const start = Math.min(Math.max(from, 0), end - length);
  return { from: start, to: start + length };
}

/** @param factor below 1 zooms in; @param around stays where it is on the screen */
export const zoomed = ({ from, to }: Stretch, factor: number, around: number = (from + to) / 2): Stretch => ({
  from: around - (around - from) * factor,
  to: around + (to - around) * factor,
});

/** @param share of what is shown */
export function moved({ from, to }: Stretch, share: number): Stretch {
  const by = (to - from) * share;
  return { from: from + by, to: to + by };
}
