/**
 * A writer's way from the root to a leaf: which node on each level, and where in it. Valid until the next store, under mmap_lock.
 * @kernel lib/maple_tree.c struct ma_state, mas_ascend(), mas_next_node(), mas_prev_node()
 * @fidelity reduced: remembers all levels, because nodes have no parent pointers
 * Next: mm/maple_store.ts
 */
import type { Word } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { atomic_set } from '../memory/atomic.ts';
import { AFTER_TREE_STORE, at, BEFORE_TREE_STORE } from '../trace/points.ts';
import {
  countIn,
  gapIn,
  innerGap,
  MT_MAX,
  nodeBase,
  rootHeight,
  rootNode,
  searchIn,
  setGap,
  slotIn,
  slotWord,
  startIn,
} from './maple_node.ts';

export interface MaplePath {
  readonly height: number;
  /** First word of the node on each level; level 1 is the leaf, and position 0 of the array is not used. */
  readonly bases: number[];
  /** Position within the node of each level. */
  readonly positions: number[];
}

/** The way to the leaf whose bounds include a page. `root` is not the empty tree. */
export function pathTo(cpu: Cpu, root: number, vpn: number): MaplePath {
  const height = rootHeight(root);
  const path: MaplePath = { height, bases: [0], positions: [0] };
  let node = rootNode(root);
  for (let level = height; level >= 1; level--) {
    const base = nodeBase(cpu.memory, node);
    const position = searchIn(cpu.words, base, vpn);
    path.bases[level] = base;
    path.positions[level] = position;
    node = slotIn(cpu.words, base, position);
  }
  return path;
}

export const copyPath = (path: MaplePath): MaplePath => ({ ...path, bases: [...path.bases], positions: [...path.positions] });

export const baseOn = (path: MaplePath, level: number): number => path.bases[level] as number;
export const positionOn = (path: MaplePath, level: number): number => path.positions[level] as number;

/** Lower bound of the node on a level: 0 on the left edge of the tree. */
export function lowerBound(cpu: Cpu, path: MaplePath, level: number): number {
  if (level === path.height) return 0;
  return startIn(cpu.words, baseOn(path, level + 1), positionOn(path, level + 1));
}

/** Upper bound of the node on a level: MT_MAX on the right edge of the tree. */
export function upperBound(cpu: Cpu, path: MaplePath, level: number): number {
  for (let above = level + 1; above <= path.height; above++) {
    const next = positionOn(path, above) + 1;
    if (next < countIn(cpu.words, baseOn(path, above))) return startIn(cpu.words, baseOn(path, above), next);
  }
  return MT_MAX;
}

/** Is the node on that level the first of its level? */
export function onLeftEdge(path: MaplePath, level: number): boolean {
  for (let above = level + 1; above <= path.height; above++) if (positionOn(path, above) !== 0) return false;
  return true;
}

/** Is the node on that level the last of its level? */
export function onRightEdge(cpu: Cpu, path: MaplePath, level: number): boolean {
  for (let above = level + 1; above <= path.height; above++) {
    if (positionOn(path, above) !== countIn(cpu.words, baseOn(path, above)) - 1) return false;
  }
  return true;
}

/** Moves the path to the node before (-1) or after (+1) the one on a level. There must be one. Levels below are left as they were. */
export function stepOn(cpu: Cpu, path: MaplePath, level: number, step: -1 | 1): void {
  const { words, memory } = cpu;
  const last = (above: number): number => (step === 1 ? countIn(words, baseOn(path, above)) - 1 : 0);
  let turn = level + 1;
  while (positionOn(path, turn) === last(turn)) turn++;
  path.positions[turn] = positionOn(path, turn) + step;
  for (let below = turn - 1; below >= level; below--) {
    const base = nodeBase(memory, slotIn(words, baseOn(path, below + 1), positionOn(path, below + 1)));
    path.bases[below] = base;
    path.positions[below] = step === 1 ? 0 : countIn(words, base) - 1;
  }
}

/**
 * Puts a finished node, or a whole tree, where readers find it: the one store of every change.
 * Release: everything written into the new nodes is visible to whoever finds them. Pairs with: leafOf() in mm/maple_walk.ts.
 */
export function publish(cpu: Cpu, word: Word, value: number): void {
  at(cpu, BEFORE_TREE_STORE);
  atomic_set(cpu, word, value); // Pairs with: leafOf(), its reads of the root and of a child.
  at(cpu, AFTER_TREE_STORE);
}

/** The word that leads to the node on a level: the tree's own, or a slot of the node above. */
export function linkTo(path: MaplePath, tree: Word, level: number): Word {
  return level === path.height ? tree : slotWord(baseOn(path, level + 1), positionOn(path, level + 1));
}

/** Notes the largest hole under a replaced node in the nodes above it. Only writers look, so this needs no order. */
export function updateGaps(cpu: Cpu, path: MaplePath, level: number, gap: number): void {
  const { words } = cpu;
  let largest = gap;
  for (let above = level + 1; above <= path.height; above++) {
    const base = baseOn(path, above);
    const position = positionOn(path, above);
    if (gapIn(words, base, position) === largest) return;
    setGap(words, base, position, largest);
    largest = innerGap(words, base);
  }
}
