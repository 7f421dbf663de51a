/**
 * Finds areas in the tree: the way down from the root, and what lies at its end. The argument why this needs no lock is in
 * mm/maple_tree.ts.
 * @kernel lib/maple_tree.c mas_walk(), mas_find(), mt_prev(), mt_next()
 * @fidelity reduced: every call starts at the root
 * Next: mm/maple_store.ts changes the tree
 */
import { NO_VMA, type VmaId, type Vpn, type Word } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { atomic_read, READ_ONCE } from '../memory/atomic.ts';
import {
  countIn,
  coveringIn,
  endIn,
  enterNode,
  leaveNode,
  MT_MAX,
  nodeBase,
  rootHeight,
  rootNode,
  searchIn,
  slotIn,
  slotWord,
  startIn,
} from './maple_node.ts';

/** Filled in by mas_find_range(): where the area lies according to the tree. Reuse one per loop. */
export interface MasRange {
  vma: VmaId;
  start: Vpn;
  end: Vpn;
}

const inside = (vpn: number): boolean => vpn >= 0 && vpn < MT_MAX;

/**
 * The area that covers a page, or NO_VMA. Never sleeps, takes no lock.
 * @locks in: an RCU read section, or mmap_lock. Without mmap_lock the area may be gone, or be another one, by the time this returns.
 */
export function mas_walk(cpu: Cpu, tree: Word, vpn: Vpn): VmaId {
  if (cpu.verify) return walkChecked(cpu, tree, vpn);
  const leaf = leafOf(cpu, tree, vpn);
  if (leaf < 0) return NO_VMA;
  return coveringIn(cpu.words, leaf, searchIn(cpu.words, leaf, vpn), vpn);
}

/** First word of the leaf whose bounds include the page; -1 for an empty tree or a page that cannot exist. */
function leafOf(cpu: Cpu, tree: Word, vpn: number): number {
  const root = atomic_read(cpu, tree); // Acquire. Pairs with: publish() in mm/maple_path.ts.
  if (root === 0 || !inside(vpn)) return -1;
  const { memory, words } = cpu;
  let base = nodeBase(memory, rootNode(root));
  for (let level = rootHeight(root); level > 1; level--) {
    if (cpu.verify) enterNode(cpu, base, level);
    // Pairs with: publish(). A plain read is enough: what it leads to is read through the number just read, which no machine that this
    // runs on reorders, and an older child is as good as a newer one while this read section lasts. @kernel rcu_dereference()
    const child = READ_ONCE(cpu, slotWord(base, searchIn(words, base, vpn)));
    base = nodeBase(memory, child);
  }
  if (cpu.verify) enterNode(cpu, base, 1);
  return base;
}

/** mas_walk() that proves of every node that it was alive while it was read. */
function walkChecked(cpu: Cpu, tree: Word, vpn: number): VmaId {
  const root = atomic_read(cpu, tree); // Acquire. Pairs with: publish().
  if (root === 0 || !inside(vpn)) return NO_VMA;
  const { memory, words } = cpu;
  let base = nodeBase(memory, rootNode(root));
  for (let level = rootHeight(root); level > 1; level--) {
    const generation = enterNode(cpu, base, level);
    const child = READ_ONCE(cpu, slotWord(base, searchIn(words, base, vpn))); // Pairs with: publish(), as in leafOf().
    leaveNode(cpu, base, generation);
    base = nodeBase(memory, child);
  }
  const generation = enterNode(cpu, base, 1);
  const found = coveringIn(words, base, searchIn(words, base, vpn), vpn);
  leaveNode(cpu, base, generation);
  return found;
}

/** The upper bound of the leaf whose bounds include the page; MT_MAX for the last one. */
function leafEnd(cpu: Cpu, tree: Word, vpn: number): number {
  const root = atomic_read(cpu, tree); // Acquire. Pairs with: publish().
  if (root === 0) return MT_MAX;
  const { memory, words } = cpu;
  let high: number = MT_MAX;
  let base = nodeBase(memory, rootNode(root));
  for (let level = rootHeight(root); level > 1; level--) {
    const position = searchIn(words, base, vpn);
    if (position + 1 < countIn(words, base)) high = startIn(words, base, position + 1);
    base = nodeBase(memory, READ_ONCE(cpu, slotWord(base, position))); // Pairs with: publish(), as in leafOf().
  }
  return high;
}

/**
 * The first area that ends after a page - the one that covers it or the next above - with its range, or false and `into` as it was.
 * @locks in: mmap_lock, or an RCU read section and then only a hint
 */
export function mas_find_range(cpu: Cpu, tree: Word, vpn: Vpn, into: MasRange): boolean {
  const { words } = cpu;
  let from: number = vpn < 0 ? 0 : vpn;
  for (;;) {
    const leaf = leafOf(cpu, tree, from);
    if (leaf < 0) return false;
    const nearest = searchIn(words, leaf, from);
    const position = endIn(words, leaf, nearest) > from ? nearest : nearest + 1;
    if (position < countIn(words, leaf)) {
      into.vma = slotIn(words, leaf, position) as VmaId;
      into.start = startIn(words, leaf, position) as Vpn;
      into.end = endIn(words, leaf, position) as Vpn;
      return true;
    }
    from = leafEnd(cpu, tree, from); // The next leaf starts with an area, at its bound.
  }
}

/** The first area that ends after a page, or NO_VMA. @locks as mas_find_range() */
export function mas_find(cpu: Cpu, tree: Word, vpn: Vpn): VmaId {
  const found = emptyRange();
  return mas_find_range(cpu, tree, vpn, found) ? found.vma : NO_VMA;
}

/** The first area that starts at a page or after it, or NO_VMA. @locks as mas_find_range() */
export function mt_next(cpu: Cpu, tree: Word, vpn: Vpn): VmaId {
  const found = emptyRange();
  if (!mas_find_range(cpu, tree, vpn, found)) return NO_VMA;
  if (found.start >= vpn) return found.vma;
  return mas_find(cpu, tree, found.end);
}

/** The last area that starts before a page, or NO_VMA. @locks as mas_find_range() */
export function mt_prev(cpu: Cpu, tree: Word, vpn: Vpn): VmaId {
  const { words } = cpu;
  const before = (vpn > MT_MAX ? MT_MAX : vpn) - 1;
  const leaf = leafOf(cpu, tree, before);
  if (leaf < 0) return NO_VMA;
  const position = searchIn(words, leaf, before);
  return (startIn(words, leaf, position) <= before ? slotIn(words, leaf, position) : NO_VMA) as VmaId;
}

/**
 * Visits every area that overlaps [from, to), in order, with its range in the tree. The visitor may not store into the tree.
 * @locks in: mmap_lock
 */
export function mt_for_each(cpu: Cpu, tree: Word, from: Vpn, to: Vpn, visit: (vma: VmaId, start: Vpn, end: Vpn) => void): void {
  const { words } = cpu;
  let next: number = from < 0 ? 0 : from;
  while (next < to) {
    const leaf = leafOf(cpu, tree, next);
    if (leaf < 0) return;
    const count = countIn(words, leaf);
    for (let position = searchIn(words, leaf, next); position < count; position++) {
      const start = startIn(words, leaf, position);
      if (start >= to) return;
      const end = endIn(words, leaf, position);
      if (end > next) visit(slotIn(words, leaf, position) as VmaId, start as Vpn, end as Vpn);
    }
    next = leafEnd(cpu, tree, next);
  }
}

const emptyRange = (): MasRange => ({ vma: NO_VMA, start: 0 as Vpn, end: 0 as Vpn });
