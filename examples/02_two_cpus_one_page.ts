/**
 * Two CPUs write the same fresh page at the same moment. Both fault, one of them installs its frame, the other finds the entry filled.
 * Which one wins is up to the threads; that exactly one does is up to the protocol.
 * Next: 03_mprotect_meets_fault.ts
 */
import { MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, PROT_READ, PROT_WRITE } from '@faultlab/core/mm/mman';
import { bootMachine, op, type Region, runPrograms } from '@faultlab/workers';

const READ_WRITE = PROT_READ | PROT_WRITE;
const page: Region = {
  name: 'the page',
  start: 0x1000,
  pages: 1,
  initial: READ_WRITE,
  layout: 'fixed',
  discards: 'mine',
  writes: 'all',
};

await using machine = await bootMachine({ cpus: 2 });
const result = await runPrograms(machine, {
  setup: [op('mmap', page.start, 1, READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED)],
  program: () => ({ regions: [page], body: { list: [op('write', page.start), op('read', page.start)] }, count: 1 }),
  keepTrace: true,
});

const events = result.trace.flat().sort((one, other) => one.timeUs - other.timeUs);
for (const { cpu, timeUs, name, args } of events) {
  const since = (timeUs - (events[0]?.timeUs ?? 0)).toString().padStart(6);
  const values = Object.entries(args).map(([key, value]) => `${key}=${value}`);
  console.log(`${since} us  ${'                            '.repeat(cpu)}CPU ${cpu} ${name} ${values.join(' ')}`);
}

const { faults_user, anon_new_page, pte_race_lost } = result.counters;
console.log({ verdict: result.verdict, faults_user, anon_new_page, pte_race_lost });
