/** The three recorded programs: what is in them, and that everything the kernel reported follows from the operations. */

import { fileURLToPath } from 'node:url';
import { assert, suite } from '@faultlab/test-support';
import { toModel, toTrace, windowsOf } from '@faultlab/workers/perf_script/address_windows';
import { loadTimeline } from '@faultlab/workers/perf_script/build_timeline';
import { pageOf } from '@faultlab/workers/perf_script/events';
import { type Order, orderOf } from '@faultlab/workers/perf_script/order';
import { programOf } from '@faultlab/workers/perf_script/thread_program';
import { OpKind, type Timeline } from '@faultlab/workers/perf_script/timeline';
import { LayoutOracle } from './layout_oracle.ts';
import { randomFrom, replayInRandomOrder } from './random_replay.ts';

const test = suite('real traces');

const TRACES = {
  gcc: { lines: 3080, threads: 3, processes: 3, faults: 2589, present: 134, calls: [97, 3, 20, 0, 0, 31], areas: 179, unserved: [] },
  java: {
    lines: 17975,
    threads: 24,
    processes: 1,
    faults: 16421,
    present: 160,
    calls: [268, 18, 200, 0, 10, 4],
    areas: 482,
    unserved: [0],
  },
  tsc: { lines: 49642, threads: 7, processes: 1, faults: 49321, present: 6701, calls: [97, 1, 0, 0, 2, 0], areas: 105, unserved: [] },
} as const;
const REPLAYS = 3;

const pathOf = (name: string): string => fileURLToPath(new URL(`../../test/data/traces/${name}.txt.gz`, import.meta.url));
const facts = (timeline: Timeline): unknown => {
  const { lines, threads, processes, faults, calls, areas, lost, unpaired } = timeline.summary;
  return { lines, threads, processes, faults: faults.total, present: faults.present, calls: Object.values(calls), areas, lost, unpaired };
};

/** Runs operations through the oracle: returns the addresses of the faults that no area served. */
function replay(timeline: Timeline, each: (run: (op: number) => void) => void): { unserved: number[]; oracle: LayoutOracle } {
  const oracle = new LayoutOracle(timeline);
  const unserved: number[] = [];
  each((op) => {
    if (!oracle.run(op)) unserved.push(timeline.ops.value[op] as number);
  });
  return { unserved, oracle };
}

function checkReplays(timeline: Timeline, order: Order, expected: readonly number[]): void {
  const inOrder = replay(timeline, (run) => order.effects.order.forEach(run));
  assert.equal(inOrder.oracle.problems, []);
  assert.equal(inOrder.unserved, expected);
  assert.is(inOrder.oracle.compared, timeline.summary.areas);
  for (let seed = 1; seed <= REPLAYS; seed++) {
    const { oracle, unserved } = replay(timeline, (run) => replayInRandomOrder(timeline, order, randomFrom(seed), run));
    assert.equal(oracle.problems, [], `seed ${seed}`);
    assert.equal(unserved, expected, `seed ${seed}`);
  }
}

for (const [name, { unserved, ...expected }] of Object.entries(TRACES)) {
  test(`${name}: the counts are those of the recording, and nothing is lost or left over`, async () => {
    assert.equal(facts(await loadTimeline(pathOf(name))), { ...expected, calls: [...expected.calls], lost: 0, unpaired: 0 });
  });

  test(`${name}: every reported area and every fault agrees with the layout, in trace order and in random orders`, async () => {
    const timeline = await loadTimeline(pathOf(name));
    checkReplays(timeline, orderOf(timeline), unserved);
  });

  test(`${name}: addresses go to the model and back, and keep their order`, async () => {
    const timeline = await loadTimeline(pathOf(name));
    const { windows, ofSpace } = windowsOf(timeline);
    for (let op = 0; op < timeline.ops.count; op++) {
      if (timeline.ops.kind[op] !== OpKind.fault) continue;
      const page = pageOf(timeline.ops.value[op] as number);
      const own = windows[ofSpace[timeline.ops.space[op] as number] as number] as (typeof windows)[number];
      const model = toModel(own, page);
      if (!(model >= 16 && model < 2 ** 31 && toTrace(own, model) === page))
        assert.unreachable(`page ${page} becomes ${model} and ${toTrace(own, model)}`);
    }
  });

  test(`${name}: the programs of the threads hold every operation once, and can be posted`, async () => {
    const timeline = await loadTimeline(pathOf(name));
    const order = orderOf(timeline);
    const programs = structuredClone(timeline.threads.map((_, thread) => programOf(timeline, order, thread)));
    assert.is(
      programs.reduce((sum, { kind }) => sum + kind.length, 0),
      timeline.ops.count,
    );
    assert.is(
      programs.reduce((sum, { waits }) => sum + waits.thread.length, 0),
      order.count,
    );
  });
}

test('gcc: the driver, the compiler and the assembler have their own heaps and stacks', async () => {
  const { spaces } = await loadTimeline(pathOf('gcc'));
  assert.equal(
    spaces.map(({ origin, parent }) => `${origin} ${parent}`),
    ['exec -1', 'fork 0', 'exec -1', 'fork 0', 'exec -1'],
  );
  assert.equal(
    spaces.map(({ start_brk }) => start_brk),
    [0x3c5eb000, 0x3c5eb000, 0x1fe2c000, 0x3c5eb000, 0x55df30101000],
  );
  assert.equal(spaces[0]?.stackEnd, 0x7ffd3fc44000);
});

test.run();
