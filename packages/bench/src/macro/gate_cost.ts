/** What free-running faults pay for being able to have a gate and mutants, and what the continuous checks cost. */
import { runScenario } from '@faultlab/workers/run_scenario';
import type { Benchmark, Row } from '../benchmark.ts';
import { type Compared, compareSides, type Side, WORKER } from './fault_sides.ts';
import { copyCore, type Folded } from './folded_core.ts';

const GATE_TARGET = 1.03;
const CHECKS_TARGET = 1.25;
const ROUNDS = 40;
/** Fewer than these in a build means that they were not found, and that nothing was compared. */
const TESTS_LEAST = 60;
const ASSERTIONS_LEAST = 150;
const SCENARIOS = ['disjoint_anon', 'munmap_storm', 'fork_cow'];
const SCENARIO_ROUNDS = 5;
const SCENARIO_SECONDS = 1;

export const gateCost: Benchmark = {
  name: 'gate_cost',
  question: 'what do faults pay for the tests for lock-step and for mutants, when there is neither?',
  run: async (smoke) => {
    return [await shippedAgainst('tests', 'a write fault as shipped / without these tests', TESTS_LEAST, GATE_TARGET, smoke)];
  },
};

/** The core as shipped against one from which something was taken. @param least changed places in it, so that two different cores are compared */
async function shippedAgainst(fold: Folded, task: string, least: number, most: number, smoke: boolean): Promise<Row> {
  const [shipped, folded] = [copyCore('nothing'), copyCore(fold)];
  try {
    if (folded.folded < least) throw new Error(`gate_cost: only ${folded.folded} ${fold} were found in the joined core`);
    const sides = [shipped, folded].map(({ worker }) => ({ worker, verify: false })) as [Side, Side];
    const compared = await compareSides(...sides, smoke ? 1 : ROUNDS, smoke);
    const { ratio } = compared;
    return {
      task,
      value: ratio,
      unit: 'x',
      detail: `${comparedText(compared)}; ${folded.folded} ${fold} taken out`,
      target: `<= ${most}`,
      met: ratio <= most,
    };
  } finally {
    shipped.remove();
    folded.remove();
  }
}

function comparedText({ first, second, least, most, sweeps }: Compared): string {
  return `${first.toFixed(0)} ns / ${second.toFixed(0)} ns, pairs of threads from ${least.toFixed(3)} to ${most.toFixed(3)}, ${sweeps} sweeps a side`;
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

/** Operations of a scenario per second of processor time. */
async function opsPerCpuMs(scenario: string, verify: boolean, seed: number, smoke: boolean): Promise<{ rate: number; cpus: number }> {
  const result = await runScenario(scenario, { cpus: 2, seconds: smoke ? 0.05 : SCENARIO_SECONDS, seed, verify });
  if (!result.asExpected) throw new Error(`check_cost: ${scenario} ended with ${result.verdict}`);
  const cpuMs = result.cpuMs ?? result.wallMs * result.cpus;
  return { rate: result.ops / cpuMs, cpus: cpuMs / result.wallMs };
}

async function scenarioRow(scenario: string, smoke: boolean): Promise<Row> {
  const ratios: number[] = [];
  const cpus: number[] = [];
  for (let round = 0; round < (smoke ? 1 : SCENARIO_ROUNDS); round++) {
    const early = round % 2 === 0;
    const a = await opsPerCpuMs(scenario, !early, round + 1, smoke);
    const b = await opsPerCpuMs(scenario, early, round + 1, smoke);
    const [off, on] = early ? [a, b] : [b, a];
    ratios.push(off.rate / on.rate);
    cpus.push(off.cpus, on.cpus);
  }
  const value = median(ratios);
  const detail = `operations per CPU second, off / on; ${ratios.length} pairs, ${median(cpus).toFixed(2)} CPUs received`;
  return {
    task: `${scenario}, 2 CPUs: checks on / off`,
    value,
    unit: 'x',
    detail,
    target: `<= ${CHECKS_TARGET}`,
    met: value <= CHECKS_TARGET,
  };
}

export const checkCost: Benchmark = {
  name: 'check_cost',
  question: 'what do the checks cost: those that are always on, and all of them?',
  run: async (smoke) => {
    const [on, off] = [true, false].map((verify) => ({ worker: WORKER, verify })) as [Side, Side];
    const compared = await compareSides(on, off, smoke ? 1 : ROUNDS, smoke);
    const { ratio } = compared;
    const detail = comparedText(compared);
    const rows: Row[] = [
      await shippedAgainst(
        'assertions',
        'a write fault as shipped / without what is always checked',
        ASSERTIONS_LEAST,
        CHECKS_TARGET,
        smoke,
      ),
      {
        task: 'a write fault alone: all checks on / off',
        value: ratio,
        unit: 'x',
        detail,
        target: `<= ${CHECKS_TARGET}`,
        met: ratio <= CHECKS_TARGET,
      },
    ];
    for (const scenario of SCENARIOS) rows.push(await scenarioRow(scenario, smoke));
    return rows;
  },
};
