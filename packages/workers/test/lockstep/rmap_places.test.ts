/**
 * Whoever walks the areas of a page finds it in one of them, also while areas are split, merged and unmapped: in every schedule a page that moved
 * meanwhile is back in all entries (I32 after the run).
 */
import { assert, suite } from '@faultlab/test-support';
import { type ExploredPrograms, explore } from '@faultlab/workers/lockstep/explore';
import { type Op, op } from '@faultlab/workers/program/op';
import { mapRegion, READ_ONLY, READ_WRITE, sharedView, striped, stripedFile } from '@faultlab/workers/scenarios/layout';
import { memoryFile } from '@faultlab/workers/scenarios/storage';

const test = suite('rmap_places');

const PAGES = 6;
const file = (cpu: number) => ({ ...stripedFile('moving file', PAGES, cpu, 2), initial: 'zero' as const });
const view = (cpu: number) => ({ ...sharedView(file(cpu), 0, 0), layout: 'shared' as const });
const { start } = view(0);
const moves: readonly Op[] = [op('read', start + 2), op('move_pages', start + 2, 2), op('read', start + 2)];

const against = (writer: readonly Op[], setup: readonly Op[] = []): ExploredPrograms => ({
  files: [memoryFile(PAGES)],
  setup: [mapRegion(view(0)), ...setup],
  program: (cpu) => ({ files: [file(cpu)], regions: [view(cpu)], body: { list: cpu === 0 ? writer : moves }, count: 1 }),
});

/** With the strategy that finds the fault of each within 135 schedules, when bounds and list change under two locks one after the other. */
const cases: readonly [string, 'pos' | 'pct', ExploredPrograms][] = [
  ['split, the page in the new area below', 'pos', against([op('mprotect', start + 3, PAGES - 3, READ_ONLY)])],
  ['split, the page in the new area above', 'pos', against([op('mprotect', start, 2, READ_ONLY)])],
  [
    'merge, one area swallowed',
    'pct',
    against([op('mprotect', start + 1, PAGES - 1, READ_WRITE)], [op('mprotect', start + 1, PAGES - 1, READ_ONLY)]),
  ],
  ['merge, two areas swallowed', 'pct', against([op('mprotect', start + 2, 2, READ_WRITE)], [op('mprotect', start + 2, 2, READ_ONLY)])],
];

for (const [name, strategy, programs] of cases) {
  test(
    `${name}: a page that moves meanwhile is found again`,
    async () => {
      const found = await explore({ programs, cpus: 2, schedules: 150, seed: 5, strategy });
      assert.is(found.failing, 0, JSON.stringify(found.first?.findings));
    },
    { deadlineMs: 60_000 },
  );
}

const memory = (cpu: number) => striped('memory', 0, 2, cpu, 2);
const page = memory(1).start + 1;

test(
  'an address space ends while its only page moves: the entry is seen under the lock of its table, and none is left in a table that is freed (I26)',
  async () => {
    const programs: ExploredPrograms = {
      setup: [mapRegion(memory(0)), op('mlock', page, 1), op('munlock', page, 1)],
      program: (cpu) => ({
        regions: [memory(cpu)],
        body: { list: cpu === 0 ? [op('fork_check', page, 1)] : [op('move_pages', page, 1), op('move_pages', page, 1)] },
        count: 1,
      }),
    };
    // A look at the entries without the lock of their table fails within the first 50 schedules of this strategy, whatever the seed.
    const found = await explore({ programs, cpus: 2, schedules: 100, seed: 5, strategy: 'pos', verify: true });
    assert.is(found.failing, 0, JSON.stringify(found.first?.findings));
  },
  { deadlineMs: 60_000 },
);

test.run();
