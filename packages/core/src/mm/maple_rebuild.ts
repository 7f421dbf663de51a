/**
 * The unusual stores: the ones over several leaves, and the ones that leave a leaf too full, too empty, or starting with a hole.
 * Level by level from the leaves up, the nodes between the left and the right end of the range are replaced by freshly packed ones, until
 * a level where one node takes the place of one. That node is published, by one store; below it everything is new, beside it nothing is.
 *
 *   level 3            [ . . X . . ]        X: the child word that changes, in place
 *   level 2          [ . . L   R . . ]      replaced by one node
 *   level 1    [ keep | cut ][ all ][ cut | keep ]   replaced by one to three leaves
 *
 * Nodes on a level: what stays of the left and of the right node, and three new children or one new entry, are 2 * CAPACITY + 1 entries at
 * the most, which is three nodes. Where the ends are in one node, as they are in the root, it is two: room for a new root above.
 * @kernel lib/maple_tree.c mas_wr_spanning_store(), mas_split(), mas_rebalance()
 * @fidelity reduced: one algorithm instead of three; evenly packed nodes
 * Next: mm/maple_gaps.ts
 */
import { assert } from '../base/assert.ts';
import type { Word } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import {
  CAPACITY,
  countIn,
  endIn,
  FEWEST,
  finishNode,
  innerGap,
  leafGap,
  MT_MAX,
  nodeAt,
  rootOf,
  setEntry,
  slotIn,
  startIn,
  takeNode,
} from './maple_node.ts';
import {
  baseOn,
  copyPath,
  linkTo,
  lowerBound,
  type MaplePath,
  onLeftEdge,
  onRightEdge,
  pathTo,
  positionOn,
  publish,
  stepOn,
  updateGaps,
  upperBound,
} from './maple_path.ts';

/** What is to be stored: vma 0 makes a hole. */
export interface MapleStore {
  readonly start: number;
  readonly end: number;
  readonly vma: number;
}

/** Entries on their way from old nodes to new ones, as in a node: `extra` is an end, or the largest hole under a child. */
interface Entry {
  readonly start: number;
  readonly slot: number;
  readonly extra: number;
}

/** The two ends of what is replaced, on every level. */
interface Ends {
  readonly left: MaplePath;
  readonly right: MaplePath;
}

/**
 * Does a store of any shape into a tree that is not empty. The nodes come from this CPU's reserve.
 * @locks in: mmap_lock for writing
 * @returns the replaced nodes (their first words), which readers may still be in
 */
export function mas_rebuild(cpu: Cpu, tree: Word, root: number, store: MapleStore): number[] {
  const left = pathTo(cpu, root, store.start);
  const ends: Ends = { left, right: pathTo(cpu, root, store.end - 1) };
  const replaced: number[] = [];
  let entries = leafEntries(cpu, ends, store);
  for (let level = 1; ; level++) {
    entries = widen(cpu, ends, level, entries);
    addNodesBetween(cpu, ends, level, replaced);
    if (isWholeLevel(cpu, ends, level)) {
      publishRoot(cpu, tree, level, entries);
      for (let above = level + 1; above <= left.height; above++) addNodesBetween(cpu, ends, above, replaced);
      return replaced;
    }
    const built = pack(cpu, level, entries, lowerBound(cpu, left, level), upperBound(cpu, ends.right, level));
    const only = built[0] as Entry;
    if (built.length === 1 && baseOn(left, level) === baseOn(ends.right, level)) {
      publish(cpu, linkTo(left, tree, level), only.slot);
      updateGaps(cpu, left, level, only.extra);
      return replaced;
    }
    entries = [...keptBefore(cpu, left, level + 1), ...built, ...keptAfter(cpu, ends.right, level + 1)];
  }
}

// --- entries ----------------------------------------------------------------------------------------------------------------------------

function readEntry(cpu: Cpu, base: number, position: number): Entry {
  const { words } = cpu;
  return { start: startIn(words, base, position), slot: slotIn(words, base, position), extra: endIn(words, base, position) };
}

function entriesIn(cpu: Cpu, base: number, from: number, to: number): Entry[] {
  const entries: Entry[] = [];
  for (let position = from; position < to; position++) entries.push(readEntry(cpu, base, position));
  return entries;
}

const allIn = (cpu: Cpu, path: MaplePath, level: number): Entry[] =>
  entriesIn(cpu, baseOn(path, level), 0, countIn(cpu.words, baseOn(path, level)));
const keptBefore = (cpu: Cpu, path: MaplePath, level: number): Entry[] => entriesIn(cpu, baseOn(path, level), 0, positionOn(path, level));
const keptAfter = (cpu: Cpu, path: MaplePath, level: number): Entry[] =>
  entriesIn(cpu, baseOn(path, level), positionOn(path, level) + 1, countIn(cpu.words, baseOn(path, level)));

/** What the outer two leaves keep, and the new entry between. */
function leafEntries(cpu: Cpu, { left, right }: Ends, { start, end, vma }: MapleStore): Entry[] {
  const before = allIn(cpu, left, 1)
    .filter((entry) => entry.start < start)
    .map((entry) => (entry.extra > start ? { ...entry, extra: start } : entry));
  const after = allIn(cpu, right, 1)
    .filter((entry) => entry.extra > end)
    .map((entry) => (entry.start < end ? { ...entry, start: end } : entry));
  return vma === 0 ? [...before, ...after] : [...before, { start, slot: vma, extra: end }, ...after];
}

/**
 * Takes in the node beside when there are too few entries for one, or when a leaf would start with a hole: that hole belongs to the leaf
 * before. A node of the same parent is preferred, because that leaves the levels above alone.
 */
function widen(cpu: Cpu, { left, right }: Ends, level: number, entries: Entry[]): Entry[] {
  const hasLeft = !onLeftEdge(left, level);
  const hasRight = !onRightEdge(cpu, right, level);
  const holeFirst = level === 1 && hasLeft && entries[0]?.start !== lowerBound(cpu, left, 1);
  if (!holeFirst && entries.length >= FEWEST) return entries;
  const leftSibling = hasLeft && positionOn(left, level + 1) > 0;
  const rightSibling = hasRight && positionOn(right, level + 1) < countIn(cpu.words, baseOn(right, level + 1)) - 1;
  if (holeFirst || leftSibling || (hasLeft && !rightSibling)) {
    stepOn(cpu, left, level, -1);
    return [...allIn(cpu, left, level), ...entries];
  }
  if (!hasRight) return entries;
  stepOn(cpu, right, level, 1);
  return [...entries, ...allIn(cpu, right, level)];
}

// --- nodes ------------------------------------------------------------------------------------------------------------------------------

function addNodesBetween(cpu: Cpu, { left, right }: Ends, level: number, nodes: number[]): void {
  const last = baseOn(right, level);
  const path = copyPath(left);
  nodes.push(baseOn(path, level));
  while (baseOn(path, level) !== last) {
    stepOn(cpu, path, level, 1);
    nodes.push(baseOn(path, level));
  }
}

const isWholeLevel = (cpu: Cpu, { left, right }: Ends, level: number): boolean => onLeftEdge(left, level) && onRightEdge(cpu, right, level);

/** Spreads the entries evenly over as few new nodes as hold them. @returns the entries for the level above */
function pack(cpu: Cpu, level: number, entries: readonly Entry[], low: number, high: number): Entry[] {
  const nodes = Math.ceil(entries.length / CAPACITY);
  const firstOf = (node: number): number => Math.floor((entries.length * node) / nodes);
  const boundOf = (node: number): number => {
    if (node === 0) return low;
    return node === nodes ? high : (entries[firstOf(node)] as Entry).start;
  };
  const built: Entry[] = [];
  for (let node = 0; node < nodes; node++) {
    const base = build(cpu, level, entries, firstOf(node), firstOf(node + 1));
    const gap = level === 1 ? leafGap(cpu.words, base, boundOf(node), boundOf(node + 1)) : innerGap(cpu.words, base);
    built.push({ start: boundOf(node), slot: nodeAt(cpu.memory, base), extra: gap });
  }
  return built;
}

function build(cpu: Cpu, level: number, entries: readonly Entry[], from: number, to: number): number {
  const base = takeNode(cpu);
  for (let i = from; i < to; i++) {
    const { start, slot, extra } = entries[i] as Entry;
    setEntry(cpu.words, base, i - from, start, slot, extra);
  }
  finishNode(cpu.words, base, level, to - from);
  return base;
}

/** The entries are all there is on their level: they become the root, or the level below it, or nothing. */
function publishRoot(cpu: Cpu, tree: Word, level: number, entries: readonly Entry[]): void {
  if (entries.length === 0) {
    publish(cpu, tree, 0);
    return;
  }
  assert(level === 1 || entries.length > 1, 'mas_rebuild: an inner root with one child');
  const fits = entries.length <= CAPACITY;
  const children = fits ? entries : pack(cpu, level, entries, 0, MT_MAX);
  const height = fits ? level : level + 1;
  publish(cpu, tree, rootOf(nodeAt(cpu.memory, build(cpu, height, children, 0, children.length)), height));
}
