/**
 * Two observations of one operation beside each other: what the kernel did, what the model did, and a mark where they differ.
 * Next: conform_report.ts
 */
import { type AreaSeen, OBSERVED_KEYS, type Observation, type ObservedKey } from './record.ts';

/** A row of two columns; a side without a line is undefined. */
type Pair = readonly [expected: string | undefined, got: string | undefined];

/** Equal rows shown before and after a row that differs. */
const CONTEXT = 2;
const SAME_MARK = ' ';
const DIFFERENT_MARK = '!';
const NOTHING = '-';

/** @param differs keys to mark: what differs in another key was left out of the comparison @returns lines with a header */
export function sideBySide(expected: Observation, got: Observation, differs: readonly ObservedKey[]): string[] {
  const rows: (readonly [key: string, mark: string, Pair])[] = [['', SAME_MARK, ['expected', 'got']]];
  for (const key of OBSERVED_KEYS) {
    const marked = differs.includes(key);
    pairsOf(expected, got, key).forEach((pair, index) => {
      rows.push([index === 0 ? key : '', marked && pair[0] !== pair[1] ? DIFFERENT_MARK : SAME_MARK, pair]);
    });
  }
  const keyWidth = Math.max(...OBSERVED_KEYS.map((key) => key.length));
  const width = Math.max(...rows.map(([, , [left]]) => (left ?? NOTHING).length));
  return rows.map(([key, mark, [left = NOTHING, right = NOTHING]]) =>
    `${mark} ${key.padEnd(keyWidth)}  ${left.padEnd(width)}  ${right}`.trimEnd(),
  );
}

/** "0-8 rw-p anon AA......"; a file's area says from which page of it. */
export function areaText({ start, end, prot, pgoff, of, pages }: AreaSeen): string {
  return `${start}-${end} ${prot} ${of}${pgoff === 0 ? '' : `+${pgoff}`} ${pages}`;
}

function pairsOf(expected: Observation, got: Observation, key: ObservedKey): readonly Pair[] {
  if (key !== 'vmas' && key !== 'events') return [[String(expected[key]), String(got[key])]];
  const lines = (seen: Observation): readonly string[] => (key === 'vmas' ? seen.vmas.map(areaText) : seen.events);
  return shortened(aligned(lines(expected), lines(got)));
}

/** Pairs equal lines in order, as many as possible; lines between two such pairs stand beside each other as they come. */
function aligned(left: readonly string[], right: readonly string[]): Pair[] {
  const pairs: Pair[] = [];
  let [l, r] = [0, 0];
  for (const [nextL, nextR] of [...commonLines(left, right), [left.length, right.length] as const]) {
    while (l < nextL || r < nextR) pairs.push([l < nextL ? left[l++] : undefined, r < nextR ? right[r++] : undefined]);
    if (nextL < left.length) pairs.push([left[l++], right[r++]]);
  }
  return pairs;
}

/** Positions of a longest common subsequence. */
function commonLines(left: readonly string[], right: readonly string[]): (readonly [number, number])[] {
  const columns = right.length + 1;
  const lengths = new Uint32Array((left.length + 1) * columns);
  const length = (l: number, r: number): number => lengths[l * columns + r] as number;
  for (let l = left.length - 1; l >= 0; l--) {
    for (let r = right.length - 1; r >= 0; r--) {
      lengths[l * columns + r] = left[l] === right[r] ? length(l + 1, r + 1) + 1 : Math.max(length(l + 1, r), length(l, r + 1));
    }
  }
  const found: (readonly [number, number])[] = [];
  let [l, r] = [0, 0];
  while (l < left.length && r < right.length) {
    if (left[l] === right[r]) found.push([l++, r++]);
    else if (length(l + 1, r) >= length(l, r + 1)) l++;
    else r++;
  }
  return found;
}

/** Long runs of equal lines become one that counts them. */
function shortened(pairs: readonly Pair[]): Pair[] {
  const differs = pairs.map(([left, right]) => left !== right);
  const shown = pairs.map((_, index) => differs.slice(Math.max(0, index - CONTEXT), index + CONTEXT + 1).includes(true));
  if (!differs.includes(true)) shown.fill(pairs.length <= 2 * CONTEXT);
  const rows: Pair[] = [];
  for (let index = 0; index < pairs.length; ) {
    if (shown[index] === true) {
      rows.push(pairs[index++] as Pair);
      continue;
    }
    const first = index;
    while (index < pairs.length && shown[index] !== true) index++;
    if (index - first === 1) rows.push(pairs[first] as Pair);
    else rows.push([`(${index - first} equal)`, `(${index - first} equal)`]);
  }
  return rows;
}
