/**
 * Looks for a hole of a given size, lowest or highest first, in as many steps as the tree is high: inner nodes know the largest hole under
 * each child, and no hole lies in two leaves.
 * @kernel lib/maple_tree.c mas_empty_area(), mas_empty_area_rev(); mm/mmap.c vm_unmapped_area() for the alignment
 * @fidelity reduced: finds the exact answer, alignment included, where the kernel asks for a hole large enough for any alignment
 * Next: mm/maple_validate.ts
 */
import type { Vpn, Word } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { atomic_read } from '../memory/atomic.ts';
import { countIn, endIn, gapIn, MT_MAX, nodeBase, rootHeight, rootNode, slotIn, startIn } from './maple_node.ts';

/** No hole is large enough. */
export const NO_AREA = -1;

/** Starts in [min, max - size], and leaves `offset` when divided by `align`. */
interface Wanted {
  readonly min: number;
  readonly max: number;
  readonly size: number;
  readonly align: number;
  readonly offset: number;
}

/** A subtree with its bounds. */
interface Subtree {
  readonly base: number;
  readonly level: number;
  readonly low: number;
  readonly high: number;
}

/**
 * The lowest first page of a hole of `size` pages in [min, max), or NO_AREA.
 * @locks in: mmap_lock for writing (the sizes of holes are the writers' own)
 */
export function mas_empty_area(cpu: Cpu, tree: Word, min: Vpn, max: Vpn, size: number, align = 1, offset = 0): Vpn | typeof NO_AREA {
  return search(cpu, tree, { min, max, size, align, offset }, 1);
}

/** The highest such page, or NO_AREA. @locks as mas_empty_area() */
export function mas_empty_area_rev(cpu: Cpu, tree: Word, min: Vpn, max: Vpn, size: number, align = 1, offset = 0): Vpn | typeof NO_AREA {
  return search(cpu, tree, { min, max, size, align, offset }, -1);
}

function search(cpu: Cpu, tree: Word, wanted: Wanted, step: 1 | -1): Vpn | typeof NO_AREA {
  const root = atomic_read(cpu, tree); // Alone: mmap_lock keeps the word still.
  if (root === 0) return placeIn(0, MT_MAX, wanted, step) as Vpn;
  const whole = { base: nodeBase(cpu.memory, rootNode(root)), level: rootHeight(root), low: 0, high: MT_MAX };
  return searchBelow(cpu, whole, wanted, step) as Vpn;
}

function searchBelow(cpu: Cpu, subtree: Subtree, wanted: Wanted, step: 1 | -1): number {
  const { words, memory } = cpu;
  const { base, level, low, high } = subtree;
  if (level === 1) return searchLeaf(cpu, subtree, wanted, step);
  const count = countIn(words, base);
  for (let i = 0; i < count; i++) {
    const position = step === 1 ? i : count - 1 - i;
    if (gapIn(words, base, position) < wanted.size) continue;
    const from = position === 0 ? low : startIn(words, base, position);
    const to = position === count - 1 ? high : startIn(words, base, position + 1);
    if (to <= wanted.min || from >= wanted.max) continue;
    const child = { base: nodeBase(memory, slotIn(words, base, position)), level: level - 1, low: from, high: to };
    const found = searchBelow(cpu, child, wanted, step);
    if (found !== NO_AREA) return found;
  }
  return NO_AREA;
}

/** Hole number i of a leaf lies before entry i; the last one lies after all of them. */
function searchLeaf(cpu: Cpu, { base, low, high }: Subtree, wanted: Wanted, step: 1 | -1): number {
  const { words } = cpu;
  const count = countIn(words, base);
  for (let i = 0; i <= count; i++) {
    const hole = step === 1 ? i : count - i;
    const from = hole === 0 ? low : endIn(words, base, hole - 1);
    const to = hole === count ? high : startIn(words, base, hole);
    const found = placeIn(from, to, wanted, step);
    if (found !== NO_AREA) return found;
  }
  return NO_AREA;
}

/** The first or last place in a hole that will do. */
function placeIn(from: number, to: number, { min, max, size, align, offset }: Wanted, step: 1 | -1): number {
  const lowest = Math.max(from, min);
  const highest = Math.min(to, max) - size;
  const start = step === 1 ? lowest + modulo(offset - lowest, align) : highest - modulo(highest - offset, align);
  return start >= lowest && start <= highest ? start : NO_AREA;
}

const modulo = (value: number, divisor: number): number => ((value % divisor) + divisor) % divisor;
