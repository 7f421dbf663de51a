/**
 * How long a machine takes from nothing to the first answer of its last CPU: threads, modules, memory. Ending it is not counted.
 * Next: packages/workers/src/machine.ts
 */
import { bootMachine } from '@faultlab/workers';
import type { Benchmark, Row } from '../benchmark.ts';

/** A machine of eight CPUs is up in at most so many milliseconds on two cores. */
const BOOT_8_MS_TARGET = 1_500;
const CPUS: readonly number[] = [1, 8, 64];
const SMOKE_CPUS: readonly number[] = [1];
const BOOTS = 5;

export const machineBoot: Benchmark = {
  name: 'machine_boot',
  question: 'how long does a machine take to start?',
  run: async (smoke) => {
    const rows: Row[] = [];
    for (const cpus of smoke ? SMOKE_CPUS : CPUS) {
      const took: number[] = [];
      for (let i = 0; i < (smoke ? 1 : BOOTS); i++) took.push(await bootOnce(cpus));
      took.sort((a, b) => a - b);
      const value = took[took.length >> 1] ?? Number.NaN;
      const row: Row = { task: `machine of ${cpus} CPUs`, value, unit: 'ms', max: took.at(-1) ?? value };
      rows.push(cpus === 8 ? { ...row, target: `<= ${BOOT_8_MS_TARGET}`, met: value <= BOOT_8_MS_TARGET } : row);
    }
    return rows;
  },
};

async function bootOnce(cpus: number): Promise<number> {
  const before = performance.now();
  await using machine = await bootMachine({ cpus });
  const bootMs = performance.now() - before;
  await machine.close();
  return bootMs;
}
