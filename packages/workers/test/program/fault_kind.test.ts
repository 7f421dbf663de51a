/** Faults are timed by their kind, beside their way: what had to be read decides, then what lies behind the region; every fault that was served is of one kind. */
import type { MappingId } from '@faultlab/core/base/brand';
import type { DeviceId } from '@faultlab/core/io/device_record';
import { FILE_DISK, FILE_DRIVER, FILE_SHMEM, type FileKind } from '@faultlab/core/mm/address_space';
import { PGMAJFAULT, PSWPIN } from '@faultlab/core/trace/counters';
import { assert, suite } from '@faultlab/test-support';
import { bootMachine, machineFor, policies, type Region, runScenarioOn, scenarioByName } from '@faultlab/workers';
import { LATENCY_PATHS } from '@faultlab/workers/arena_map';
import { OneThreadMachine } from '@faultlab/workers/fault_kinds/one_thread_machine';
import { FaultKindProbe } from '@faultlab/workers/program/fault_kind';
import { NO_PATH } from '@faultlab/workers/program/fault_path';
import { striped } from '@faultlab/workers/scenarios/layout';

const test = suite('fault kinds, timed');
const PAGES = 4;
const region = (place: number, more: Partial<Region>): Region => ({ ...striped(`region ${place}`, place, PAGES, 0, 1), ...more });
const backing = (file: number): Partial<Region> => ({ backing: { file, offset: 0, shared: true } });

/** A probe over an area of each kind, and what it says when the fault has added to these counters. */
function withProbe(body: (kind: (page: number, ...counted: number[]) => string, regions: readonly Region[]) => void): void {
  const machine = new OneThreadMachine(policies.find(({ name }) => name === 'linux-6.18') as (typeof policies)[number]);
  const { cpu } = machine;
  const files = [FILE_DISK, FILE_SHMEM, FILE_DRIVER].map(
    (kind: FileKind): MappingId => machine.file({ pages: PAGES, kind, ...(kind === FILE_DISK ? { device: 0 as DeviceId } : {}) }),
  );
  const regions = [
    region(0, {}),
    region(1, backing(0)),
    region(2, backing(1)),
    region(3, backing(2)),
    region(4, { sharedAnonymous: true }),
  ];
  const probe = new FaultKindProbe(cpu, regions, files);
  body((page, ...counted) => {
    probe.begin();
    for (const counter of counted) cpu.words[cpu.percpu + counter] = (cpu.words[cpu.percpu + counter] as number) + 1;
    const path = probe.end(page);
    return path === NO_PATH ? 'none' : (LATENCY_PATHS[path] as string);
  }, regions);
}

test('a fault that read nothing is of what lies behind its region', () =>
  withProbe((kind, regions) => {
    const expected = ['fault: anonymous', 'fault: file', 'fault: shmem', 'fault: driver', 'fault: shmem'];
    assert.equal(
      regions.map(({ start }) => kind(start + PAGES - 1)),
      expected,
    );
    assert.is(kind((regions.at(-1) as Region).start + PAGES), 'none', 'a page of no region');
  }));

test('a fault that read something is of what it read', () =>
  withProbe((kind, regions) => {
    for (const { start } of regions) {
      assert.is(kind(start, PGMAJFAULT), 'fault: major, file read');
      assert.is(kind(start, PGMAJFAULT, PSWPIN), 'fault: major, swapped in');
    }
  }));

const SERVED = ['fault: vma lock', 'fault: mmap fallback', 'fault: retry'];
const KINDS = LATENCY_PATHS.slice(LATENCY_PATHS.indexOf('fault: anonymous'), LATENCY_PATHS.indexOf('kernel access'));

test(
  'on real threads as many faults are timed by kind as by way',
  async () => {
    const scenarios = ['disjoint_anon', 'cold_readers', 'shmem_storm', 'swap_storm'].map(scenarioByName);
    await using machine = await bootMachine({ cpus: 2, ...machineFor(scenarios) });
    for (const scenario of scenarios) {
      const { latency, verdict } = await runScenarioOn(machine, scenario, { count: 200, seed: 3 });
      assert.is(verdict, 'success', scenario.name);
      const timed = (paths: readonly string[]): number =>
        latency.filter(({ path }) => paths.includes(path)).reduce((sum, summary) => sum + summary.timed, 0);
      assert.is(timed(KINDS), timed(SERVED), `${scenario.name}: ${JSON.stringify(latency)}`);
    }
  },
  { deadlineMs: 60_000 },
);

test.run();
