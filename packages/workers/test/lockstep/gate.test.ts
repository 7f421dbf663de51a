/**
 * The gate: what a seed determines, sleeps and time-outs on a clock that is counted, and schedules that cannot end.
 */
import { PARK_TIMED_OUT, PARK_WOKEN } from '@faultlab/core/memory/step_gate';
import { assert, suite } from '@faultlab/test-support';
import { strategyPlan } from '@faultlab/workers/lockstep/strategy_plan';
import { dfs, exploreToy, withToys } from './toy_runs.ts';

const SLOW_HOST = { deadlineMs: 60_000 };
const test = suite('lock-step gate');

test(
  'the same seed makes the same operations in the same order, whatever the strategy; another seed makes others',
  async () => {
    await withToys(3, async (explore) => {
      for (const name of ['random', 'pct', 'pos']) {
        const run = { toy: { kind: 'steps', count: 8 }, plan: strategyPlan(name), schedules: 50 } as const;
        const hashes = [];
        for (const seed of [7, 7, 8]) hashes.push((await explore({ ...run, seed })).hash);
        assert.is(hashes[0], hashes[1], name);
        assert.is.not(hashes[0], hashes[2], name);
      }
    });
  },
  SLOW_HOST,
);

test(
  'a failed schedule is repeated by its list of choices: same finding, same operations',
  async () => {
    await withToys(3, async (explore) => {
      const toy = { kind: 'lost_update' } as const;
      const found = await explore({ toy, schedules: 1000, stopAtFirst: false });
      assert.ok(found.failing > 1 && found.failing < 1000);
      for (const failure of found.failures.slice(0, 4)) {
        const plan = { kind: 'replay', choices: failure.choices } as const;
        const again = await explore({ toy, plan, programSeed: failure.programSeed });
        assert.is(again.schedules, 1);
        assert.is(again.failures[0]?.hash, failure.hash);
        assert.is(again.failures[0]?.findings[0]?.message, failure.findings[0]?.message);
        assert.is(again.diverged, 0);
      }
    });
  },
  SLOW_HOST,
);

test(
  'when everybody sleeps the clock jumps, and the sleeps end in the order of their time-outs',
  async () => {
    // CPU 3 sleeps 7 ms, CPU 2 8 ms, CPU 1 9 ms, in whatever order they go to sleep.
    const expected = [
      [1, 0, 321],
      [3, 1, PARK_TIMED_OUT],
      [3, 2, PARK_TIMED_OUT],
      [3, 3, PARK_TIMED_OUT],
    ] as const;
    const result = await exploreToy({ toy: { kind: 'sleepers', wakes: false }, cpus: 4, plan: dfs(0), tickUs: 0, expected });
    assert.is(result.failing, 0, result.failures[0]?.findings[0]?.message ?? '');
    assert.ok(result.exhausted);
    // CPU 0 has nothing to do; the others go to sleep in any order.
    assert.is(result.schedules, 6);
  },
  SLOW_HOST,
);

test(
  'a wake-up takes one sleeper, and its sleep says so',
  async () => {
    // All are asleep when CPU 0 moves for the first time: choices that are not the default are needed for that, and the search makes them.
    const result = await exploreToy({
      toy: { kind: 'sleepers', wakes: true },
      cpus: 2,
      plan: dfs(),
      expected: [[3, 1, PARK_WOKEN]],
      stopAtFirst: false,
    });
    // Two orders: CPU 0 wakes before CPU 1 sleeps, and then it sleeps until its time-out; or afterwards.
    assert.is(result.schedules, 2);
    assert.is(result.failing, 1);
    assert.match(result.failures[0]?.findings[0]?.message ?? '', `is ${PARK_TIMED_OUT}`);
  },
  SLOW_HOST,
);

test(
  'two CPUs that wait for each other are a deadlock, told with who holds what, in schedules that have it only',
  async () => {
    const result = await exploreToy({ toy: { kind: 'deadlock' }, cpus: 2, plan: dfs(2), stopAtFirst: false });
    assert.ok(result.exhausted);
    assert.ok(result.failing > 0 && result.failing < result.schedules, `${result.failing} of ${result.schedules}`);
    for (const { findings } of result.failures) assert.is(findings[0]?.id, 'deadlock');
    const state = result.failures[0]?.findings[0]?.state.join('\n') ?? '';
    assert.match(state, /They wait for each other/);
    assert.match(state, /CPU 0 waits for .*, which CPU 1 holds/);
  },
  SLOW_HOST,
);

test(
  'a loop in which nothing happens is a livelock, and the other CPUs have ended',
  async () => {
    const result = await exploreToy({ toy: { kind: 'livelock' }, cpus: 2, schedules: 3, stillMax: 2000, stopAtFirst: false });
    assert.is(result.failing, 3);
    assert.is(result.failures[2]?.findings[0]?.id, 'livelock');
  },
  SLOW_HOST,
);

test(
  'a CPU that tries again and again gives way in the end, whatever the strategy: that is no livelock',
  async () => {
    for (const plan of [strategyPlan('pct', { depth: 1 }), strategyPlan('dfs', { bound: 0 })]) {
      const result = await exploreToy({ toy: { kind: 'retries' }, cpus: 2, plan, schedules: 8, seed: 3, stopAtFirst: false });
      assert.is(result.failing, 0, JSON.stringify(result.failures[0]?.findings));
    }
  },
  SLOW_HOST,
);

test(
  'a loop without any operation is found by the host, with the choices that led to it',
  async () => {
    const result = await exploreToy({ toy: { kind: 'plain_loop' }, cpus: 2, schedules: 3, stallMs: 400 });
    assert.ok(result.hung);
    assert.is(result.failures[0]?.findings[0]?.id, 'hang');
  },
  SLOW_HOST,
);

test(
  'whatever a CPU throws ends its schedule, and the next one begins anew',
  async () => {
    const result = await exploreToy({ toy: { kind: 'throws' }, cpus: 3, schedules: 5, stopAtFirst: false });
    assert.is(result.schedules, 5);
    assert.is(result.failing, 5);
    assert.match(result.failures[4]?.findings[0]?.message ?? '', /TypeError: CPU \d has had enough/);
  },
  SLOW_HOST,
);

test(
  'who only serves does not keep a schedule from its end',
  async () => {
    const result = await exploreToy({ toy: { kind: 'steps', count: 3 }, cpus: 2, schedules: 5, roles: ['program', 'server'] });
    assert.is(result.failing, 0);
    assert.is(result.schedules, 5);
  },
  SLOW_HOST,
);

test.run();
