/** The file of a soak in this process: what is kept comes back, what is wrong is refused, and nothing grows. */
import { UsageError } from '@faultlab/core/base/errors';
import { assert, suite } from '@faultlab/test-support';
import { addLockStats } from '@faultlab/workers/deltas';
import { MemoryLog, memoryLine, SAMPLES_MAX } from '@faultlab/workers/soak/memory_log';
import { parseSoakFile, type SoakFile } from '@faultlab/workers/soak/soak_file';
import { keptTotals, restoredTotals } from '@faultlab/workers/soak/soak_totals';
import { faultsOf } from '@faultlab/workers/stress/stress_totals';
import { smallSoak } from './fixtures.ts';

/** Booting a machine may take its time on a busy host. */
const PATIENT = { deadlineMs: 40_000 };
const test = suite('soak: file');

const complaintAbout = (content: string): string => {
  try {
    parseSoakFile(content, 'x.json');
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
  return 'accepted';
};

/** Made once; the tests look at it from all sides. */
let made: ReturnType<typeof smallSoak> | undefined;
const soaked = (): ReturnType<typeof smallSoak> => {
  made ??= smallSoak({ seconds: 0.6 });
  return made;
};
const lastFile = async (): Promise<SoakFile> => (await soaked()).files.at(-1) as SoakFile;

test(
  'every file that a soak writes is one that it reads, and the last one has the sums of the run',
  async () => {
    const { files, outcome } = await soaked();
    assert.equal(files.map(({ state }) => state).slice(0, 1), ['running']);
    assert.is(files.at(-1)?.state, 'finished');
    for (const file of files) assert.equal(parseSoakFile(JSON.stringify(file), 'x.json'), file);
    const { totals, slices } = files.at(-1) as SoakFile;
    assert.equal(restoredTotals(totals).latency.summaries(), outcome.totals.latency.summaries());
    assert.equal(JSON.parse(JSON.stringify(keptTotals(restoredTotals(totals)))), totals);
    assert.is(slices, outcome.slices);
    assert.ok(slices >= 1 && faultsOf(totals.counters) > 0);
  },
  PATIENT,
);

test(
  'the memory of the process is looked at after a slice, and kept',
  async () => {
    const { memory } = await soaked();
    const { last, peak } = memory;
    assert.ok(last !== null && peak !== null && last <= peak);
    assert.equal([memory.samples, memory.afterTwoMinutes], [[], null]);
    assert.equal((await lastFile()).memory, memory);
  },
  PATIENT,
);

test(
  'a soak that goes on uses the next seed and adds to the sums',
  async () => {
    const earlier = { ...(await lastFile()), state: 'interrupted' as const };
    const seeds: number[] = [];
    const { files } = await smallSoak({ seconds: earlier.elapsedMs / 1000 + 0.3, earlier });
    for (const { slices } of files) seeds.push(slices);
    const { slices, sessions, totals, startedAt, elapsedMs } = files.at(-1) as SoakFile;
    assert.is(seeds[0], earlier.slices);
    assert.ok(slices > earlier.slices && elapsedMs >= earlier.elapsedMs + 250);
    assert.equal([sessions, startedAt], [2, earlier.startedAt]);
    assert.ok(faultsOf(totals.counters) > faultsOf(earlier.totals.counters));
    assert.is(
      totals.scenarios.reduce((sum, scenario) => sum + scenario.slices, 0),
      slices,
    );
  },
  PATIENT,
);

test(
  'a write that fails is said, and the run goes on; when the last one fails, that is given back',
  async () => {
    const refusal = new UsageError('The result could not be written.');
    const { outcome, lines, unwritten, files } = await smallSoak({ seconds: 0.6 }, (write) => (write === 0 ? undefined : refusal));
    assert.ok(outcome.slices >= 1 && outcome.failed === undefined);
    assert.is(lines[0], 'stress: The result could not be written. The run goes on, and tries again.');
    assert.is(unwritten, refusal);
    assert.is(files.length, 1);
  },
  PATIENT,
);

test(
  'a soak whose file cannot be written at all does not begin',
  async () => {
    const refusal = new UsageError('The result could not be written.');
    let thrown: unknown;
    await smallSoak({ seconds: 0.6 }, () => refusal).catch((error: unknown) => {
      thrown = error;
    });
    assert.is(thrown, refusal);
  },
  PATIENT,
);

test(
  'a file that is cut off anywhere is refused',
  async () => {
    const text = JSON.stringify(await lastFile(), undefined, 2);
    for (let cut = 0; cut < text.length; cut += 997)
      assert.match(
        complaintAbout(text.slice(0, cut)),
        /^x\.json is not a result that can be gone on with: it is (empty|not JSON, or is cut off); /,
      );
  },
  PATIENT,
);

const WRONG: readonly (readonly [path: string, value: unknown, why: RegExp])[] = [
  ['schema', 2, /its schema is 2, and this version reads 1;/],
  ['kind', 'stress', /its kind is "stress", not "soak";/],
  ['state', 'paused', /its field state is wrong/],
  ['slices', -1, /its field slices is wrong/],
  ['slices', 1e300, /its field slices is wrong/],
  ['slices', 1.5, /its field slices is wrong/],
  ['slices', 999_999, /its parts contradict each other;/],
  ['elapsedMs', 1e300, /its field elapsedMs is wrong/],
  ['elapsedMs', '5', /its field elapsedMs is wrong/],
  ['sessions', 0, /its field sessions is wrong/],
  ['startedAt', 'yesterday', /its field startedAt is wrong/],
  ['surplus', 1, /it has the field surplus, which no such file has;/],
  ['parameters.cpus', 513, /its field parameters\.cpus is wrong/],
  ['parameters.cpus', 3, /its parts contradict each other;/],
  ['parameters.seed', 2 ** 32, /its field parameters\.seed is wrong/],
  ['parameters.scenarios', [], /its field parameters\.scenarios is wrong/],
  ['parameters.scenarios', ['nonsense'], /its field parameters\.scenarios\.0 is wrong/],
  ['parameters.scenarios', ['fork_cow', 'fork_cow'], /must name each scenario once/],
  ['parameters.policyRecord.vmaLock', 'rcu', /its field parameters\.policyRecord\.vmaLock is wrong/],
  ['totals.counters.pgfault', undefined, /it lacks the field totals\.counters\.pgfault;/],
  ['totals.counters.nonsense', 1, /it has the field totals\.counters\.nonsense, /],
  ['totals.opsByCpu', [1], /its parts contradict each other;/],
  ['totals.latency', [{ path: 'mmap', buckets: [[5000, 1]] }], /its field totals\.latency\.0\.buckets\.0\.0 is wrong/],
  [
    'totals.latency',
    [
      {
        path: 'mmap',
        buckets: [
          [5, 1],
          [5, 2],
        ],
      },
    ],
    /must name each bucket once/,
  ],
  ['totals.outcomes', [{ kind: 'explode', result: 0, count: 1 }], /its field totals\.outcomes\.0\.kind is wrong/],
  ['totals.locks', [{ name: 'nonsense' }], /its field totals\.locks\.0\.name is wrong/],
  [
    'memory.samples',
    Array.from({ length: SAMPLES_MAX + 1 }, () => ({ elapsedMs: 1, session: 1, rssBytes: 1 })),
    /its field memory\.samples is wrong/,
  ],
  ['failed', { scenario: 'canary', seed: 1, verdict: 'failure', report: [] }, /its parts contradict each other;/],
];

test(
  'a file with a wrong field is refused, and the field named',
  async () => {
    const good = JSON.stringify(await lastFile());
    for (const [path, value, why] of WRONG) {
      const file = JSON.parse(good) as Record<string, unknown>;
      const names = path.split('.');
      const last = names.pop() as string;
      const at = names.reduce((object, name) => object[name] as Record<string, unknown>, file);
      at[last] = value;
      const complaint = complaintAbout(JSON.stringify(file));
      assert.match(complaint, why);
      assert.match(
        complaint,
        /^x\.json is not a result that can be gone on with: .*; name a file that faultlab stress --hours has written, or start a new run\.$/,
      );
    }
    assert.match(complaintAbout(good.replace(/"slices":\d+/, '"slices":1e999')), /its field slices is wrong/);
    for (const other of ['null', '5', '[]', '"soak"', '{}', '{"kind":"soak"}'])
      assert.match(complaintAbout(other), /^x\.json is not a result/);
  },
  PATIENT,
);

test('a week of minutes is kept in no more than a fixed number of samples, evenly spaced', () => {
  const log = new MemoryLog(1);
  for (let minute = 1; minute <= 7 * 24 * 60; minute++) log.minute(minute * 60_000, 1_000_000 + minute);
  const { samples, everyMinutes, afterTwoMinutes, last, peak } = log.record;
  assert.ok(samples.length <= SAMPLES_MAX && samples.length > SAMPLES_MAX / 2);
  assert.is(everyMinutes, 64);
  const gaps = new Set(samples.slice(1).map(({ elapsedMs }, place) => elapsedMs - (samples[place]?.elapsedMs ?? 0)));
  assert.equal([...gaps], [64 * 60_000]);
  assert.equal([afterTwoMinutes, last, peak], [1_000_002, 1_010_080, 1_010_080]);
});

test('the summary compares the memory at the end with that after two minutes', () => {
  const log = new MemoryLog(2);
  const mib = 2 ** 20;
  assert.is(memoryLine(log.record), 'Memory of the process: not looked at.');
  log.minute(60_000, 50 * mib);
  assert.is(
    memoryLine(log.record),
    'Memory of the process: 50 MiB at the end, 50 MiB at most; less than two minutes, so nothing to compare with.',
  );
  log.minute(120_000, 100 * mib);
  log.look(120 * mib);
  log.look(110 * mib);
  assert.is(memoryLine(log.record), 'Memory of the process: 100 MiB after two minutes, 110 MiB at the end (x 1.10), 120 MiB at most.');
});

test('lock statistics add up by lock and mode, and the longest wait stays', () => {
  const row = { name: 'a', mode: 'read' as const, acquisitions: 5, contentions: 1, waitUsTotal: 10, waitUsMax: 10 };
  const sums = addLockStats(
    [row],
    [
      { ...row, acquisitions: 1, contentions: 0, waitUsTotal: 0, waitUsMax: 3 },
      { ...row, mode: 'write' },
    ],
  );
  assert.equal(sums, [
    { ...row, acquisitions: 6 },
    { ...row, mode: 'write' },
  ]);
});

test.run();
