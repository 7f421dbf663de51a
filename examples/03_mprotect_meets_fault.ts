/**
 * One CPU makes a page read-only and writable again, as fast as it can; another one writes to it all the while. Every write either
 * happens or is refused, and the fault handler meets the writer in the middle: sometimes it gets the area's lock, sometimes it has to
 * step back and wait for mmap_lock.
 */
import { MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, PROT_READ, PROT_WRITE } from '@faultlab/core/mm/mman';
import { bootMachine, op, type Program, type Region, runPrograms } from '@faultlab/workers';
import { outcomeTable } from '@faultlab/workers/report/outcome_table';

const READ_WRITE = PROT_READ | PROT_WRITE;
const START = 0x1000;
const PAGES = 8;

/** Only CPU 0 writes; `layout: 'shared'` says that somebody else changes protections, so a refusal is no surprise. */
const region = (cpu: number): Region => ({
  name: 'contended',
  start: START,
  pages: PAGES,
  initial: READ_WRITE,
  layout: 'shared',
  discards: 'mine',
  writes: cpu === 0 ? { step: 1, offset: 0 } : 'none',
});

const flip = [op('mprotect', START, PAGES, PROT_READ), op('mprotect', START, PAGES, READ_WRITE)];
const touch = Array.from({ length: PAGES }, (_, page) => [op('write', START + page), op('read', START + page)]).flat();
const program = (cpu: number): Program => ({ regions: [region(cpu)], body: { list: cpu === 0 ? touch : flip } });

await using machine = await bootMachine({ cpus: 2 });
const result = await runPrograms(machine, {
  setup: [op('mmap', START, PAGES, READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED)],
  program,
  seconds: 1,
});

console.log(outcomeTable(result.outcomes).join('\n'));
const { vma_lock_success, vma_lock_abort, vma_lock_miss, vma_lock_retry, vma_write_waited } = result.counters;
console.log({ verdict: result.verdict, vma_lock_success, vma_lock_abort, vma_lock_miss, vma_lock_retry, vma_write_waited });
