/** The table of events and states in reports: the names that a reader of /proc/vmstat looks for are there, with the right numbers. */
import { COUNTER_NAMES, type CounterName } from '@faultlab/core/trace/counters';
import { assert, suite } from '@faultlab/test-support';
import { runScenario } from '@faultlab/workers';
import type { Counters } from '@faultlab/workers/deltas';
import { vmstatTable } from '@faultlab/workers/report/vmstat_table';

const test = suite('report/vmstat_table');

/** Every event a different number of times. */
const numbered = Object.fromEntries(COUNTER_NAMES.map((name, position) => [name, position + 1])) as unknown as Counters;
const nothing = Object.fromEntries(COUNTER_NAMES.map((name) => [name, 0])) as unknown as Counters;
const states = {
  nr_free_pages: 9,
  nr_inactive_anon: 8,
  nr_active_anon: 7,
  nr_inactive_file: 6,
  nr_active_file: 5,
  nr_dirty: 4,
  nr_writeback: 3,
};

test('every event and state has its line, and pgscan and pgsteal are sums over who scans', () => {
  const lines = vmstatTable(numbered, states);
  for (const name of COUNTER_NAMES) assert.ok(lines.includes(`${name} ${numbered[name]}`), name);
  assert.equal(
    lines.slice(0, 7),
    Object.entries(states).map(([name, pages]) => `${name} ${pages}`),
  );
  assert.ok(lines.includes(`pgscan ${numbered.pgscan_kswapd + numbered.pgscan_direct}`));
  assert.ok(lines.includes(`pgsteal ${numbered.pgsteal_kswapd + numbered.pgsteal_direct}`));
});

test("the kernel's events are there also when they did not happen, the model's own only when they did", () => {
  const lines = vmstatTable(nothing);
  const kernel: readonly CounterName[] = [
    'pgmajfault',
    'pswpin',
    'pswpout',
    'pgscan_kswapd',
    'pgsteal_direct',
    'allocstall',
    'workingset_refault_anon',
    'workingset_activate_file',
    'workingset_restore_file',
  ];
  for (const name of kernel) assert.ok(lines.includes(`${name} 0`), name);
  assert.is(lines.at(-1), "# the model's own");
});

test('a run says how many pages were in which state at its end', async () => {
  const result = await runScenario('disjoint_anon', { cpus: 1, count: 20 });
  assert.is(result.verdict, 'success');
  assert.ok(result.states.nr_free_pages > 0);
  assert.equal([result.states.nr_dirty, result.states.nr_writeback], [0, 0]);
});

test.run();
