/**
 * Says everything that is wrong with a tree of areas, for the sweeps and the tests. Reads only.
 * @kernel lib/maple_tree.c mt_validate(), mt_height()
 * @fidelity reduced: returns sentences where the kernel warns
 * Next: mm/maple_tree.ts again, now that its two facts are spelt out as checks
 */
import type { Word } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { atomic_read } from '../memory/atomic.ts';
import { NODE_CACHE } from '../slab/caches.ts';
import { isAllocated } from '../slab/kmem_cache.ts';
import {
  CAPACITY,
  countIn,
  endIn,
  FEWEST,
  gapIn,
  innerGap,
  leafGap,
  levelIn,
  MT_MAX,
  nodeAt,
  nodeBase,
  rootHeight,
  rootNode,
  slotIn,
  startIn,
} from './maple_node.ts';

interface Place {
  readonly base: number;
  readonly level: number;
  readonly low: number;
  readonly high: number;
  readonly isRoot: boolean;
}

/** Levels of nodes; 0 for an empty tree. */
export function mt_height(cpu: Cpu, tree: Word): number {
  return rootHeight(atomic_read(cpu, tree)); // Alone: a look.
}

/** Areas in the tree. @locks in: mmap_lock */
export function mt_count(cpu: Cpu, tree: Word): number {
  return tally(cpu, tree).entries;
}

/** Nodes in the tree. @locks in: mmap_lock */
export function mt_nodes(cpu: Cpu, tree: Word): number {
  return tally(cpu, tree).nodes;
}

function tally(cpu: Cpu, tree: Word): { entries: number; nodes: number } {
  const sum = { entries: 0, nodes: 0 };
  const root = atomic_read(cpu, tree); // Alone: mmap_lock keeps the word still.
  const add = (base: number, level: number): void => {
    const count = countIn(cpu.words, base);
    sum.nodes++;
    if (level === 1) sum.entries += count;
    else for (let i = 0; i < count; i++) add(nodeBase(cpu.memory, slotIn(cpu.words, base, i)), level - 1);
  };
  if (root !== 0) add(nodeBase(cpu.memory, rootNode(root)), rootHeight(root));
  return sum;
}

/** What is wrong: order, overlap, bounds, holes, fill, freed nodes. An empty list for a good tree. @locks in: mmap_lock */
export function mt_validate(cpu: Cpu, tree: Word): string[] {
  const root = atomic_read(cpu, tree); // Alone: mmap_lock keeps the word still.
  const problems: string[] = [];
  if (root === 0) return problems;
  const base = nodeBase(cpu.memory, rootNode(root));
  checkNode(cpu, { base, level: rootHeight(root), low: 0, high: MT_MAX, isRoot: true }, problems);
  return problems;
}

function checkNode(cpu: Cpu, place: Place, problems: string[]): void {
  const { base, level, low, high, isRoot } = place;
  const { words, memory } = cpu;
  const node = nodeAt(memory, base);
  const report = (what: string): void => void problems.push(`node ${node} (level ${level}, pages ${low} to ${high}): ${what}`);
  if (!isAllocated(memory, NODE_CACHE, node)) {
    report('it is free');
    return;
  }
  const count = countIn(words, base);
  const fewest = isRoot ? (level === 1 ? 1 : 2) : FEWEST;
  if (levelIn(words, base) !== level) report(`it says that its level is ${levelIn(words, base)}`);
  if (count < fewest || count > CAPACITY) {
    report(`it has ${count} entries`);
    return;
  }
  for (let i = count; i < CAPACITY; i++) if (startIn(words, base, i) !== MT_MAX) report(`unused start ${i} is not MT_MAX`);
  if (low > 0 && startIn(words, base, 0) !== low) report(`it starts with page ${startIn(words, base, 0)}`);
  if (level === 1) checkLeaf(cpu, place, report);
  else checkInner(cpu, place, report, problems);
}

function checkLeaf(cpu: Cpu, { base, low, high }: Place, report: (what: string) => void): void {
  const { words } = cpu;
  let free = low;
  for (let i = 0; i < countIn(words, base); i++) {
    const start = startIn(words, base, i);
    const end = endIn(words, base, i);
    if (start < free) report(`area ${slotIn(words, base, i)} starts at ${start}, below ${free}`);
    if (end <= start) report(`area ${slotIn(words, base, i)} ends at ${end} but starts at ${start}`);
    if (slotIn(words, base, i) === 0) report(`entry ${i} has no area`);
    free = end;
  }
  if (free > high) report(`its last area ends at ${free}`);
}

function checkInner(cpu: Cpu, { base, level, low, high }: Place, report: (what: string) => void, problems: string[]): void {
  const { words, memory } = cpu;
  const count = countIn(words, base);
  if (startIn(words, base, 0) !== low) report(`its first bound is ${startIn(words, base, 0)}`);
  for (let i = 0; i < count; i++) {
    const from = startIn(words, base, i);
    const to = i === count - 1 ? high : startIn(words, base, i + 1);
    if (from >= to) report(`child ${i} has the bounds ${from} to ${to}`);
    const child: Place = { base: nodeBase(memory, slotIn(words, base, i)), level: level - 1, low: from, high: to, isRoot: false };
    checkNode(cpu, child, problems);
    const gap = level === 2 ? leafGap(words, child.base, from, to) : innerGap(words, child.base);
    if (gapIn(words, base, i) !== gap) report(`child ${i} is noted with a largest hole of ${gapIn(words, base, i)}, but it has ${gap}`);
  }
}
