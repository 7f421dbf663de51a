/** Every kind of damage to the tree of areas (I21) is reported by mt_validate(). */
import type { Word } from '@faultlab/core/base/brand';
import type { Cpu } from '@faultlab/core/cpu';
import { finishNode, nodeBase, rootHeight, rootNode, rootOf, setEntry, setGap, slotIn, startIn } from '@faultlab/core/mm/maple_node';
import { mt_validate } from '@faultlab/core/mm/maple_tree';
import { NODE_CACHE } from '@faultlab/core/slab/caches';
import { kmem_cache_free } from '@faultlab/core/slab/kmem_cache';
import { assert, suite } from '@faultlab/test-support';
import { bootForTrees, spaced, store, treeCpu, treeOf } from './maple_model.ts';

const test = suite('mm/maple_validate');

/** First words of the root and of its second leaf, in a tree of two levels. */
interface Parts {
  readonly cpu: Cpu;
  readonly root: number;
  readonly leaf: number;
}

function twoLevels(): Parts {
  const cpu = treeCpu(bootForTrees(200), 0);
  for (const area of spaced(60)) store(cpu, area);
  const word = cpu.words[treeOf(cpu.memory)] as number;
  assert.is(rootHeight(word), 2);
  const root = nodeBase(cpu.memory, rootNode(word));
  return { cpu, root, leaf: nodeBase(cpu.memory, slotIn(cpu.words, root, 1)) };
}

const problemsOf = (cpu: Cpu): string => mt_validate(cpu, treeOf(cpu.memory)).join('\n');

function reports(damage: string, message: RegExp, harm: (parts: Parts) => void): void {
  test(damage, () => {
    const parts = twoLevels();
    assert.is(problemsOf(parts.cpu), '');
    harm(parts);
    assert.match(problemsOf(parts.cpu), message);
  });
}

/** Overwrites entry 2 of the second leaf. `start` is counted from where it starts now. */
const spoil = ({ cpu, leaf }: Parts, start: number, pages: number, vma: number): void => {
  const at = startIn(cpu.words, leaf, 2) + start;
  setEntry(cpu.words, leaf, 2, at, vma, at + pages);
};

reports('two areas that overlap', /starts at \d+, below/, (parts) => spoil(parts, -15, 10, 1));
reports('an area without pages', /ends at \d+ but starts at/, (parts) => spoil(parts, 0, 0, 1));
reports('an entry without an area', /entry 2 has no area/, (parts) => spoil(parts, 0, 10, 0));
reports('a leaf that starts with a hole', /it starts with page/, ({ cpu, leaf }) => {
  const start = startIn(cpu.words, leaf, 0);
  setEntry(cpu.words, leaf, 0, start + 1, 1, start + 10);
});
reports('an area beyond the bounds of its leaf', /its last area ends at/, ({ cpu, root }) => {
  const first = nodeBase(cpu.memory, slotIn(cpu.words, root, 0));
  const last = 15; // 60 areas stored upwards: the first leaf kept 16
  setEntry(cpu.words, first, last, startIn(cpu.words, first, last), 1, startIn(cpu.words, root, 1) + 1);
});
reports('a largest hole noted too small', /noted with a largest hole of 3/, ({ cpu, root }) => setGap(cpu.words, root, 1, 3));
reports('bounds out of order', /has the bounds/, ({ cpu, root }) => {
  setEntry(cpu.words, root, 1, startIn(cpu.words, root, 2), slotIn(cpu.words, root, 1), 10);
});
reports('a first bound that is not the lower end', /its first bound is 1/, ({ cpu, root }) => {
  setEntry(cpu.words, root, 0, 1, slotIn(cpu.words, root, 0), 10);
});
reports('a leaf with too few entries', /it has 3 entries/, ({ cpu, leaf }) => finishNode(cpu.words, leaf, 1, 3));
reports('a node of another level', /it says that its level is 2/, ({ cpu, leaf }) => finishNode(cpu.words, leaf, 2, 16));
reports('an unused start that is not the maximum', /unused start 31/, ({ cpu, leaf }) => setEntry(cpu.words, leaf, 31, 5, 0, 0));
reports('a node that is free', /it is free/, ({ cpu, root }) => kmem_cache_free(cpu, NODE_CACHE, slotIn(cpu.words, root, 1)));
reports('an inner root with one child', /it has 1 entries/, ({ cpu, root }) => finishNode(cpu.words, root, 2, 1));
reports('a height that is not the level of the root', /it says that its level is 2/, ({ cpu }) => {
  const word: Word = treeOf(cpu.memory);
  cpu.words[word] = rootOf(rootNode(cpu.words[word] as number), 1);
});

test.run();
