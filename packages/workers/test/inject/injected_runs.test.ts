/**
 * Every injection is seen to happen in runs of scenarios, and they end as they should: with success where the model
 * can live with it, and with a report that names the lock or the request where nobody can.
 */
import type { CounterName } from '@faultlab/core/trace/counters';
import { assert, suite } from '@faultlab/test-support';
import { type InjectionName, injectionKind } from '@faultlab/workers/inject/injections';
import { parseInject } from '@faultlab/workers/inject/parse_inject';
import { runScenario, type ScenarioResult } from '@faultlab/workers/run_scenario';

const test = suite('injected runs');
const SLOW = { deadlineMs: 90_000 };

const counterOf = (name: InjectionName): CounterName => injectionKind(name).counter;

async function scenario(name: string, inject: string, count = 150): Promise<ScenarioResult> {
  return await runScenario(name, { cpus: 3, seed: 11, count, verify: true, inject: parseInject(inject), stallMs: 30_000 });
}

/** Injection, scenario: where it has an opportunity often enough. */
const SURVIVED: readonly (readonly [InjectionName, string, string])[] = [
  ['io_error', 'cold_readers', 'io_error:rate=20%'],
  ['io_error', 'shared_write_storm', 'io_error:rate=20%'],
  ['slow_io', 'cold_readers', 'slow_io:rate=20%,time=20ms'],
  ['alloc_fail', 'split_merge_storm', 'alloc_fail:rate=5%'],
  ['alloc_fail', 'stack_growth', 'alloc_fail:rate=5%'],
  ['alloc_fail', 'uffd_handoff', 'alloc_fail:rate=5%'],
  ['signal', 'cold_readers', 'signal:rate=50%'],
  ['spurious_wake', 'cold_readers', 'spurious_wake:rate=50%'],
  ['delay', 'munmap_storm', 'delay:rate=5%,time=300us'],
  ['pause_cpu', 'munmap_storm', 'pause_cpu:rate=1%,time=3ms'],
];

for (const [name, story, inject] of SURVIVED) {
  test(
    `${inject}: ${story} meets it, and nothing is broken, lost or left behind`,
    async () => {
      const result = await scenario(story, inject);
      assert.equal(result.violations, []);
      assert.is(result.verdict, 'success', result.postMortem?.message);
      assert.ok(result.counters[counterOf(name)] > 0, 'it never happened');
    },
    SLOW,
  );
}

test(
  'kill_cpu: the run ends with a report that names the CPU and the lock that it holds',
  async () => {
    const result = await runScenario('munmap_storm', {
      cpus: 3,
      seed: 11,
      count: 100_000,
      stallMs: 4_000,
      inject: parseInject('kill_cpu:cpu=1,after=20,point=mmap_write_locked'),
    });
    assert.is(result.verdict, 'stall');
    assert.is(result.counters.injected_kill_cpu, 1);
    assert.match(
      result.postMortem?.message ?? '',
      /1 +(?:parked|running) .* mmap_lock of mm \d+ \(write\) .*nothing any more since an injected stop/,
    );
  },
  SLOW,
);

test(
  'silent_device: the run ends with a report that names the request',
  async () => {
    const result = await runScenario('cold_readers', {
      cpus: 3,
      seed: 11,
      count: 100_000,
      stallMs: 4_000,
      inject: parseInject('silent_device:after=10'),
    });
    assert.is(result.verdict, 'stall');
    assert.is(result.counters.injected_silent_device, 1);
    assert.match(result.postMortem?.message ?? '', /I\/O request 11 of device 0 since \d+ ms \(read of page/);
  },
  SLOW,
);

test.run();
