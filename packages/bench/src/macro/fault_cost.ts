/**
 * What an uncontended fault costs from the access to the access done, how many atomic operations it takes, and how that grows with the number
 * of areas. Each side has a thread of its own (the code there has seen one machine only), and the sides take turns.
 */
import type { CpuId, Vpn } from '@faultlab/core/base/brand';
import { cpuOnline, createCpu } from '@faultlab/core/boot';
import { POLICIES } from '@faultlab/core/policy/policies';
import { userWrite } from '@faultlab/core/user/access';
import { FIRST, mapAreas, memoryForAreas, PAGES } from '../areas.ts';
import type { Benchmark, Row } from '../benchmark.ts';
import { countAtomics } from '../count_atomics.ts';
import { FaultThread } from './fault_thread.ts';

const FEW = 10;
const MANY = 100_000;
const ROUNDS = 25;
const WARM_UP = 4;
const NS_TARGET = 1_000;
const GROWTH_TARGET = 1.5;

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

export const faultCost: Benchmark = {
  name: 'fault_cost',
  question: 'what does an uncontended fault cost, end to end?',
  run: async (smoke) => {
    const few = await FaultThread.start(FEW);
    const many = await FaultThread.start(smoke ? 100 : MANY);
    const ns = { few: [] as number[], many: [] as number[], read: [] as number[] };
    const pages = smoke ? 64 : PAGES;
    try {
      for (let round = 0; round < (smoke ? 2 : ROUNDS + WARM_UP); round++) {
        const measured = {
          few: await few.sweep('write', pages),
          many: await many.sweep('write', pages),
          read: await few.sweep('read', pages),
        };
        if (!smoke && round < WARM_UP) continue;
        ns.few.push(measured.few);
        ns.many.push(measured.many);
        ns.read.push(measured.read);
      }
    } finally {
      await Promise.all([few.end(), many.end()]);
    }
    const cost = median(ns.few);
    const growth = median(ns.many) / cost;
    const rows: Row[] = [
      { task: `anonymous write fault, ${FEW} areas`, value: cost, unit: 'ns', target: `<= ${NS_TARGET}`, met: cost <= NS_TARGET },
      { task: `anonymous write fault, ${MANY} areas`, value: median(ns.many), unit: 'ns' },
      { task: `cost at ${MANY} areas / at ${FEW}`, value: growth, unit: 'x', target: `<= ${GROWTH_TARGET}`, met: growth <= GROWTH_TARGET },
      { task: `anonymous read fault (zero page), ${FEW} areas`, value: median(ns.read), unit: 'ns' },
    ];
    return [...rows, ...POLICIES.map((policy) => atomicsRow(policy.name))];
  },
};

/** Atomic operations of one write fault, page table and anon_vma being there already; READ_ONCE and WRITE_ONCE are not atomic operations. */
function atomicsRow(policy: string): Row {
  const { memory, counts } = countAtomics(memoryForAreas(FEW));
  const found = POLICIES.find((one) => one.name === policy);
  if (found === undefined) throw new Error(`there is no policy ${policy}`);
  const cpu = createCpu({ id: 0 as CpuId, memory, now: () => performance.now(), policy: found });
  cpuOnline(cpu);
  mapAreas(cpu, FEW);
  userWrite(cpu, FIRST, 1);
  const faults = 100;
  const before = counts.total;
  for (let i = 1; i <= faults; i++) userWrite(cpu, (FIRST + i) as Vpn, 1);
  return { task: `atomic operations per write fault, ${policy}`, value: (counts.total - before) / faults, unit: 'ops' };
}
