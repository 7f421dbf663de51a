/**
 * Lock-step: what an operation costs whose turn stays, what a hand-over costs, and how many schedules a second makes; and what free-running CPUs
 * pay for being able to have a gate.
 */
import type { CpuId, Word } from '@faultlab/core/base/brand';
import { Cpu } from '@faultlab/core/cpu';
import { READ_ONCE } from '@faultlab/core/memory/atomic';
import { LOCKS_ONLY_SIZE } from '@faultlab/core/memory/limits';
import { createMemory } from '@faultlab/core/memory/shared_memory';
import { explore } from '@faultlab/workers/lockstep/explore';
import { runLockstep } from '@faultlab/workers/lockstep/run_lockstep';
import { type StrategyPlan, strategyPlan } from '@faultlab/workers/lockstep/strategy_plan';
import { bootMachine } from '@faultlab/workers/machine';
import type { Benchmark, Row } from '../../benchmark.ts';

const WORK = new URL('./steps.work.js', import.meta.url);
const US_PER_MS = 1000;
const STAY_US = 0.6;
const SWITCH_US = 15;
const SCHEDULES_PER_S = 700;
const CPUS = 3;
const STEPS_EACH = 50;
/** The operations of one CPU that nobody else disturbs. */
const LONE_STEPS = 20_000;

interface Measured {
  readonly usPerSchedule: number;
  readonly schedules: number;
}

async function measure(cpus: number, plan: StrategyPlan, count: number, schedules: number): Promise<Measured> {
  await using machine = await bootMachine({ cpus, trace: false, size: LOCKS_ONLY_SIZE });
  const run = { work: WORK, data: () => count, plan, seed: 1, stillMax: 1 << 30 };
  await runLockstep(machine, { ...run, schedules: Math.max(1, schedules >> 2) });
  const result = await runLockstep(machine, { ...run, schedules });
  if (result.failing > 0 || result.schedules === 0) throw new Error('lockstep: a schedule of the benchmark failed');
  return { usPerSchedule: (result.wallMs * US_PER_MS) / result.schedules, schedules: result.schedules };
}

/** Two CPUs in turn: every operation is a hand-over. The first schedule of round robin has a quantum of one. */
async function switchCost(smoke: boolean): Promise<Row> {
  const count = smoke ? 20 : 2_000;
  const { usPerSchedule } = await measure(2, strategyPlan('rr'), count, 1);
  const value = usPerSchedule / (2 * count);
  return { task: 'hand the turn over', value, unit: 'us', target: `<= ${SWITCH_US}`, met: value <= SWITCH_US };
}

/** pct of depth 1 never takes the turn away: two CPUs one after the other. What the schedule itself costs is in it, spread over its operations. */
async function stayCost(smoke: boolean): Promise<Row> {
  const plan = strategyPlan('pct', { depth: 1 });
  const [count, schedules] = smoke ? [20, 4] : [LONE_STEPS, 40];
  const { usPerSchedule } = await measure(2, plan, count, schedules);
  const value = usPerSchedule / (2 * count);
  return { task: 'an operation that keeps the turn', value, unit: 'us', target: `<= ${STAY_US}`, met: value <= STAY_US };
}

async function scheduleRate(smoke: boolean): Promise<Row> {
  const { usPerSchedule } = await measure(CPUS, strategyPlan('pct', { depth: 3 }), STEPS_EACH, smoke ? 8 : 4_000);
  const value = (US_PER_MS * US_PER_MS) / usPerSchedule;
  const task = `schedules of ${CPUS} CPUs and ${CPUS * STEPS_EACH} operations, pct 3`;
  return { task, value, unit: '/s', target: `>= ${SCHEDULES_PER_S}`, met: value >= SCHEDULES_PER_S };
}

/** A whole scenario: the memory is put back, sweeps run. */
async function scenarioRate(smoke: boolean): Promise<Row> {
  const schedules = smoke ? 2 : 200;
  const result = await explore({ scenario: 'mprotect_storm', cpus: CPUS, count: 1, schedules, seed: 1, strategy: 'pct' });
  const { restoreMs, playMs, checkMs } = result.times;
  const each = (ms: number): string => (ms / result.schedules).toFixed(2);
  const detail =
    `${Math.round(result.steps / result.schedules)} operations each; ms of each: memory put back ${each(restoreMs)}, schedule ${each(playMs)}, ` +
    `two sweeps and the teardown ${each(checkMs)}`;
  return { task: 'schedules of mprotect_storm, 3 CPUs, pct 3', value: (result.schedules / result.wallMs) * 1000, unit: '/s', detail };
}

/** The marked read of the funnel, without the test for a gate; operations that are atomic have none. */
function readWithoutGate(cpu: Cpu, word: Word): number {
  return cpu.words[word] as number;
}

/** The same loop with the test and without it, in turns. */
function costOfTheTest(smoke: boolean): Row {
  const memory = createMemory({ ...LOCKS_ONLY_SIZE, cpus: 1 });
  const cpu = new Cpu({ id: 0 as CpuId, memory, now: () => performance.now() });
  const word = memory.userAt as Word;
  const rounds = smoke ? 100 : 2_000_000;
  const timeOf = (loop: () => void): number => {
    const before = performance.now();
    loop();
    return ((performance.now() - before) * US_PER_MS * 1000) / rounds;
  };
  let sum = 0;
  const tested = (): void => {
    for (let i = 0; i < rounds; i++) sum += READ_ONCE(cpu, (word + (i & 15)) as Word);
  };
  const bare = (): void => {
    for (let i = 0; i < rounds; i++) sum += readWithoutGate(cpu, (word + (i & 15)) as Word);
  };
  const ratios = Array.from({ length: smoke ? 1 : 9 }, () => timeOf(tested) / timeOf(bare)).sort((a, b) => a - b);
  if (sum !== 0) throw new Error('lockstep: the words of the benchmark are not zero');
  return {
    task: 'free-running: READ_ONCE, which has the test for a gate / without',
    value: ratios[ratios.length >> 1] as number,
    unit: 'x',
  };
}

export const lockstepCost: Benchmark = {
  name: 'lockstep',
  question: 'what does lock-step cost, and what does it cost those who do not use it?',
  run: async (smoke) => [
    await stayCost(smoke),
    await switchCost(smoke),
    await scheduleRate(smoke),
    await scenarioRate(smoke),
    costOfTheTest(smoke),
  ],
};
