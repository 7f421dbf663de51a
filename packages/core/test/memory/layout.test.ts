/** The regions of the arena are disjoint, aligned, in it, and the same on every thread. */
import { UsageError } from '@faultlab/core/base/errors';
import { layoutOf } from '@faultlab/core/memory/layout';
import { DEFAULT_SIZE, LOCKS_ONLY_SIZE, type MachineSize } from '@faultlab/core/memory/limits';
import { attachMemory, createMemory } from '@faultlab/core/memory/shared_memory';
import { LINE_WORDS } from '@faultlab/core/memory/shared_words';
import { assert, suite } from '@faultlab/test-support';
import fc from 'fast-check';

const test = suite('memory layout');

const upTo = (max: number): fc.Arbitrary<number> => fc.integer({ min: 0, max });
const sizes: fc.Arbitrary<MachineSize> = fc.record({
  cpus: fc.integer({ min: 1, max: 64 }),
  mms: upTo(100),
  vmas: upTo(100_000),
  frames: upTo(100_000),
  tables: upTo(1000),
  anonVmas: upTo(10_000),
  avcs: upTo(10_000),
  mappings: upTo(100),
  xaNodes: upTo(1000),
  swaps: upTo(8),
  swapSlots: upTo(1000),
  userfaultfds: upTo(16),
  devices: upTo(4),
  deviceRequests: upTo(100),
  deviceBlocks: upTo(1000),
  traceEntries: fc.constantFrom(0, 1, 64, 256),
  userWords: upTo(10_000),
});

test('regions lie one behind the other on cache lines, whatever the size', () => {
  fc.assert(
    fc.property(sizes, (size) => {
      const layout = layoutOf(size);
      const regions = Object.values(layout.regions).sort((a, b) => a.base - b.base || a.words - b.words);
      let end = 0;
      for (const region of regions) {
        assert.ok(region.base >= end, 'two regions overlap');
        assert.is(region.base % LINE_WORDS, 0);
        end = region.base + region.words;
      }
      assert.ok(end <= layout.words);
      assert.equal(layoutOf(size), layout);
    }),
  );
});

test('an attached memory is the same memory', () => {
  const created = createMemory(LOCKS_ONLY_SIZE);
  const attached = attachMemory(structuredClone(created.handle));
  created.user[3] = 77;
  assert.is(attached.user[3], 77);
});

test('a memory of another origin is refused with a sentence', () => {
  const { size, memory } = createMemory(LOCKS_ONLY_SIZE).handle;
  const foreign = new SharedArrayBuffer((memory as { readonly buffer: SharedArrayBuffer }).buffer.byteLength);
  assert.throws(() => attachMemory({ memory: foreign, size }), /was not made by this version/);
  assert.throws(() => attachMemory({ memory: new SharedArrayBuffer(64), size }), /has 64 bytes but/);
});

for (const [field, value] of [
  ['cpus', 0],
  ['cpus', 1.5],
  ['frames', -1],
  ['traceEntries', 100],
  ['devices', 17],
  ['deviceRequests', 0],
] as const) {
  test(`size.${field} = ${value} is refused with a sentence that names it`, () => {
    try {
      createMemory({ ...DEFAULT_SIZE, [field]: value });
    } catch (error) {
      assert.instance(error, UsageError);
      assert.match((error as Error).message, new RegExp(`size\\.${field} is ${value}`));
      return;
    }
    assert.unreachable();
  });
}

test.run();
