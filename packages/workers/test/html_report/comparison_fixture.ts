/**
 * The file of a comparison of any size, made up: numbers from a seeded generator, and a timeline in which CPUs fault, wait for each other and for a
 * disk. Names are those that a hostile file would have.
 */
import { Prng } from '@faultlab/core/base/prng';
import { WAIT_DECADES, WAITED_LOCKS } from '@faultlab/core/locking/lock_waits';
import type { TraceEntry } from '@faultlab/core/trace/trace_ring';
import { LATENCY_PATHS } from '@faultlab/workers/arena_map';
import type { ClaimsFile } from '@faultlab/workers/claims/claims_file';
import { COMPARISON_SCHEMA, type ComparisonFile, type RunRecord } from '@faultlab/workers/compare/comparison_file';
import { METRICS } from '@faultlab/workers/compare/metrics';

export const HOSTILE = '<script>document.title="hacked"</script>';

export interface FixtureSize {
  readonly scenarios: number;
  readonly policies: number;
  readonly runs: number;
  readonly paths: number;
  readonly eventsPerCpu: number;
}

const CPUS = 4;
const POLICIES = ['linux-6.18', HOSTILE, 'hold', 'reacquire', 'linux-6.4', 'retry-vma', 'x"y', "a'b", 'p8', 'p9', 'p10', 'p11'];

export function comparisonFixture({ scenarios, policies, runs, paths, eventsPerCpu }: FixtureSize): ComparisonFile {
  const prng = new Prng(11, 0);
  const names = POLICIES.slice(0, policies);
  const scenarioNames = Array.from({ length: scenarios }, (_, place) => (place === 0 ? `io_convoy<b>&amp;` : `scenario_${place}`));
  return {
    schema: COMPARISON_SCHEMA,
    kind: 'comparison',
    parameters: { policies: names, scenarios: scenarioNames, trace: null, cpus: CPUS, runs, seconds: 0.7, seed: 5 },
    environment: { node: 'v20.0.0', v8: '11', platform: 'linux x64', cpuModel: 'made up </title>', cores: 2, load: 0.5 },
    scenarios: scenarioNames.map((scenario) => ({
      scenario,
      policies: names.map((policy, place) => ({
        policy,
        runs: Array.from({ length: runs }, (_, run) => runRecord(prng, { policy, place, run, paths })),
      })),
    })),
    interrupted: false,
    failed: null,
    timeline: { scenario: scenarioNames[0] ?? '', policy: names[1] ?? '', run: 0, cpus: timeline(eventsPerCpu) },
  };
}

interface WhichRun {
  readonly policy: string;
  readonly place: number;
  readonly run: number;
  readonly paths: number;
}

function runRecord(prng: Prng, { policy, place, run, paths }: WhichRun): RunRecord {
  const share = (): number => prng.next() / 2 ** 32;
  const trustworthy = run !== 3;
  return {
    policy,
    run,
    seed: 5 + run,
    seconds: 0.7,
    cpuSeconds: 1.2 + share(),
    othersCores: share(),
    trustworthy,
    ...(trustworthy ? {} : { reason: 'other programs had <i>1.2</i> cores' }),
    metrics: Object.fromEntries(
      METRICS.map(({ name }, metric) => [name, metric % 9 === 8 ? null : 100 * (1 + place * (metric % 4)) + share()]),
    ),
    histograms: {
      waits: Object.fromEntries(
        WAITED_LOCKS.map((lock) => [lock, Array.from({ length: WAIT_DECADES }, (_, decade) => Math.floor((share() * 1e5) / 10 ** decade))]),
      ),
      latency: Object.fromEntries(
        LATENCY_PATHS.slice(0, paths).map((path) => [
          path,
          Array.from({ length: 60 }, (_, step): readonly [number, number] => [
            30 + step + place,
            1 + Math.floor(3e4 * Math.exp(-(((step - 15) / 5) ** 2))),
          ]),
        ]),
      ),
    },
  };
}

/** In rounds of 1 ms: each CPU faults, waits for mmap_lock, sleeps for the disk, and is woken by the CPU after it. */
function timeline(events: number): TraceEntry[][] {
  return Array.from({ length: CPUS }, (_, cpu) => {
    const told: TraceEntry[] = [];
    const tell = (timeUs: number, name: string, args: TraceEntry['args']): void => {
      told.push({ cpu, sequence: told.length + 1, timeUs, name, args });
    };
    for (let round = 0; told.length < events; round++) {
      const from = round * 1000 + cpu * 40;
      const mm = { mm: 1, write: 0 };
      tell(from, 'page_fault_user', { vpn: round, error_code: 4 });
      tell(from + 10, 'mmap_lock_start_locking', mm);
      tell(from + 30, 'mmap_lock_acquire_returned', { ...mm, success: 1 });
      tell(from + 40, 'sched_waking', { target_cpu: (cpu + CPUS - 1) % CPUS });
      tell(from + 500, 'sleep', { interruptible: 0, kind: 9, us: 470 });
      tell(from + 520, 'handle_mm_fault', { vpn: round, flags: 0, result: 0 });
      tell(from + 525, 'mmap_lock_released', mm);
      tell(from + 700, 'user_read', { vpn: round, value: 1 });
    }
    return told.slice(0, events);
  });
}

export const CLAIMS_FIXTURE: ClaimsFile = {
  schema: 1,
  kind: 'claims',
  parameters: { rounds: 3, seed: 1 },
  environment: { node: 'v20.0.0', v8: '11', platform: 'linux x64', cpuModel: 'made up', cores: 2, load: 0.5 },
  claims: (['held', 'not held', 'undecided'] as const).map((verdict, place) => ({
    id: `C${place + 1}`,
    title: `claim ${place + 1} ${HOSTILE}`,
    claim: 'what is claimed',
    source: 'the list',
    setup: 'two CPUs',
    expected: 'more',
    cannotTell: 'nanoseconds',
    decidedBy: 'counts',
    busy: place === 2,
    seconds: 1,
    othersCores: 0.5,
    verdict,
    figures: [{ name: 'waits', unit: '1/s', value: 12.5 }],
    text: 'As expected.',
  })),
};
