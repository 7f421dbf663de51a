/**
 * The strategies on programs whose interleavings can be counted: as many are seen as there are, and what is promised of random ones holds.
 */

import { assert, suite } from '@faultlab/test-support';
import { strategyPlan } from '@faultlab/workers/lockstep/strategy_plan';
import { dfs, exploreToy, withToys } from './toy_runs.ts';

const SLOW_HOST = { deadlineMs: 60_000 };
const test = suite('lock-step strategies');

const factorial = (n: number): number => (n < 2 ? 1 : n * factorial(n - 1));
/** Orders of the operations of several CPUs, each with so many. */
const interleavings = (cpus: number, steps: number): number => factorial(cpus * steps) / factorial(steps) ** cpus;

/** The same, but with at most `bound` switches away from a CPU that could go on: counted one by one. */
function boundedInterleavings(left: readonly number[], bound: number, last = -1): number {
  if (left.every((count) => count === 0)) return 1;
  let sum = 0;
  left.forEach((count, cpu) => {
    if (count === 0) return;
    const preempts = last >= 0 && cpu !== last && (left[last] as number) > 0;
    if (preempts && bound === 0) return;
    const rest = left.map((value, other) => (other === cpu ? value - 1 : value));
    sum += boundedInterleavings(rest, preempts ? bound - 1 : bound, cpu);
  }, SLOW_HOST);
  return sum;
}

for (const [cpus, count] of [
  [2, 1],
  [2, 3],
  [2, 5],
  [3, 2],
  [4, 1],
] as const) {
  test(
    `the search sees all interleavings of ${cpus} CPUs with ${count} operations each, once`,
    async () => {
      const result = await exploreToy({ toy: { kind: 'steps', count }, cpus, plan: dfs() });
      assert.is(result.schedules, interleavings(cpus, count));
      assert.ok(result.exhausted);
      assert.is(result.covered, `all ${result.schedules} interleavings seen`);
      assert.is(result.failing, 0);
    },
    SLOW_HOST,
  );
}

for (const bound of [0, 1, 2]) {
  test(
    `with at most ${bound} preemptions the search sees exactly those that have no more`,
    async () => {
      const result = await exploreToy({ toy: { kind: 'steps', count: 4 }, cpus: 2, plan: dfs(bound) });
      assert.is(result.schedules, boundedInterleavings([4, 4], bound));
      assert.is(result.covered, `all ${result.schedules} interleavings with at most ${bound} preemptions seen`);
    },
    SLOW_HOST,
  );
}

test(
  'a bug that one order in many shows is found by the search, and by every other strategy',
  async () => {
    const plans = [dfs(1), ...['exhaustive', 'random', 'pos', 'rr'].map((name) => strategyPlan(name)), strategyPlan('pct', { depth: 2 })];
    await withToys(2, async (explore) => {
      for (const plan of plans) {
        const result = await explore({ toy: { kind: 'lost_update' }, plan, schedules: 2_000 });
        assert.is(result.failures[0]?.findings[0]?.id, 'T01', plan.kind);
      }
    });
  },
  SLOW_HOST,
);

test(
  'without a preemption no update is lost, and the search says that it has seen everything',
  async () => {
    const result = await exploreToy({ toy: { kind: 'lost_update' }, cpus: 2, plan: dfs(0) });
    assert.is(result.failing, 0);
    assert.ok(result.exhausted);
  },
  SLOW_HOST,
);

test(
  'pct meets a bug that needs two ordered operations at least as often as it promises',
  async () => {
    const [before, after, schedules] = [10, 10, 2_000];
    const plan = strategyPlan('pct', { depth: 2 });
    const result = await exploreToy({ toy: { kind: 'window', before, after }, cpus: 2, plan, schedules, stopAtFirst: false });
    // Two CPUs, and all operations. Two of the places are inside of the window, so the promise is kept with room to spare.
    const steps = before + after + 4;
    const promised = schedules / (2 * steps);
    assert.ok(result.failing >= promised, `${result.failing} of ${schedules}, but at least ${promised} are promised`);
    assert.ok(result.failing < schedules / 2);
  },
  SLOW_HOST,
);

test(
  'round robin has no chance in it: another seed makes the same schedules',
  async () => {
    const run = { toy: { kind: 'steps', count: 6 }, cpus: 3, plan: strategyPlan('rr'), schedules: 8 } as const;
    const [one, other] = [await exploreToy({ ...run, seed: 1 }), await exploreToy({ ...run, seed: 2 })];
    assert.is(one.hash, other.hash);
  },
  SLOW_HOST,
);

test(
  'a strategy that does not exist is refused with the names of those that do',
  () => {
    assert.throws(() => strategyPlan('best'), /choose from pct, random, pos, dfs, exhaustive, rr/);
    assert.throws(() => strategyPlan('pct', { depth: 0 }), /from 1 to 24/);
  },
  SLOW_HOST,
);

test(
  'orders of independent operations count once: of CPUs that share nothing there is one interleaving, of two that write one word there are two',
  async () => {
    await withToys(2, async (explore) => {
      const apart = await explore({ toy: { kind: 'steps', count: 5 }, plan: strategyPlan('exhaustive') });
      assert.match(apart.covered, /^all 1 interleavings seen/);
      const window = await explore({ toy: { kind: 'window', before: 2, after: 2 }, plan: strategyPlan('exhaustive'), stopAtFirst: false });
      // CPU 1 writes before the first look, between the two looks, or after the second.
      assert.match(window.covered, /^all 3 interleavings seen/);
      assert.is(window.failing, 1);
    });
  },
  SLOW_HOST,
);

test.run();
