/**
 * How long a machine takes from nothing to the first answer of its last CPU: threads, modules, memory. Ending it is not counted.
 * Next: packages/workers/src/machine.ts
 */
import { bootMachine } from '@faultlab/workers';
import type { Benchmark, Row } from '../benchmark.ts';

/** A machine of so many CPUs is up in at most so many milliseconds on two cores. */
const TARGET_CPUS = 8;
const TARGET_MS = 1_500;

const CPUS: readonly number[] = [1, TARGET_CPUS, 64];
const SMOKE_CPUS: readonly number[] = [1, TARGET_CPUS];
const BOOTS = 5;

export const machineBoot: Benchmark = {
  name: 'machine/boot',
  question: 'how long until all CPUs of a new machine answer?',
  run: async (smoke) => {
    const rows: Row[] = [];
    for (const cpus of smoke ? SMOKE_CPUS : CPUS) rows.push(await bootRow(cpus, smoke ? 1 : BOOTS));
    return rows;
  },
};

/** The median of some boots. */
async function bootRow(cpus: number, boots: number): Promise<Row> {
  const times: number[] = [];
  for (let boot = 0; boot < boots; boot++) times.push(await bootMs(cpus));
  times.sort((one, other) => one - other);
  const value = times[boots >>> 1] as number;
  const row = { task: `boot ${cpus} CPUs`, value, unit: 'ms', max: times.at(-1) as number, detail: `${boots} boots` };
  return cpus === TARGET_CPUS ? { ...row, target: `<= ${TARGET_MS}`, met: value <= TARGET_MS } : row;
}

async function bootMs(cpus: number): Promise<number> {
  const before = performance.now();
  await using machine = await bootMachine({ cpus });
  const tookMs = performance.now() - before;
  await machine.close();
  return tookMs;
}
