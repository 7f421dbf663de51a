/** C8: a lock on one area that is all of memory is a lock on all of memory. */
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { op } from '../program/op.ts';
import type { Program } from '../program/program.ts';
import { READ_ONLY, READ_WRITE } from '../scenarios/layout.ts';
import { atLeast, type Claim, judgeAll, median, said } from './claim.ts';
import type { ClaimRuns } from './claim_runs.ts';
import { coldFile, coldFileUse, coldView, makeAllCold, mapCold, shuffled } from './layout.ts';
import { oddList } from './per_cpu_times.ts';
import { HOLD, MMAP_HOLD } from './variants.ts';

const IO_MS = 10;
const READERS = 3;
const PAGES_EACH = 48;
const PAGES = READERS * PAGES_EACH;
const SECONDS = 1.2;
const OTHERS = 1;

interface Variant {
  readonly policy: FaultPolicy;
  readonly areas: number;
}
const VARIANTS: readonly Variant[] = [
  { policy: HOLD, areas: 1 },
  { policy: HOLD, areas: 4 },
  { policy: HOLD, areas: 24 },
  { policy: MMAP_HOLD, areas: 1 },
];

/** Milliseconds of a call that splits an area or joins it again, while all pages of all areas are read from the device. */
async function writerMs(runs: ClaimRuns, { policy, areas }: Variant): Promise<number> {
  const size = PAGES / areas;
  const views = Array.from({ length: areas }, (_, area) => coldView(area, size, area * size, true));
  const at = (page: number): number => (views[Math.floor(page / size)]?.start ?? 0) + (page % size);
  const files = [coldFileUse(PAGES)];
  const reader = (cpu: number): Program => {
    const reads = shuffled(PAGES_EACH).map((page) => op('read', at(page * READERS + cpu)));
    return { regions: views, files, body: { list: [...reads, ...makeAllCold(views)] } };
  };
  const splits = shuffled(PAGES).flatMap((page) => [op('mprotect', at(page), 1, READ_WRITE), op('mprotect', at(page), 1, READ_ONLY)]);
  const writer: Program = { regions: views, files, body: { list: oddList(splits) } };
  const { times } = await runs.run({
    policy,
    cpus: READERS + 1,
    machine: { devices: [{ latency: `fixed:${IO_MS}ms` }] },
    files: [coldFile(PAGES)],
    sysctl: { faultAroundPages: 1 },
    setup: views.flatMap(mapCold),
    program: (cpu) => (cpu < READERS ? reader(cpu) : writer),
    seconds: SECONDS,
  });
  return times[READERS]?.('mprotect').mean ?? 0;
}

export const C8: Claim<'one' | 'four' | 'many' | 'mmapHold' | 'growth' | 'against'> = {
  id: 'C8',
  title: 'One big area held over I/O behaves like mmap_lock',
  claim:
    'To hold the VMA lock of a big area over I/O is to hold mmap_lock again: whoever wants to change the area waits for all of its faults.',
  source: 'Barry Song and Suren Baghdasaryan, 27 to 30 November 2025',
  setup: `${READERS} CPUs read the ${PAGES} pages of a file, each from a device that takes ${IO_MS} ms, under hold; a fourth one splits areas at random and joins them again. The file is mapped as 1, 4 or 24 areas; and as 1 area under mmap_lock alone, held over I/O. ${SECONDS} s each, in turn.`,
  expected:
    'A call of the writer takes at least twice as long with 1 area as with 24 (open from 1.4), no less with 1 than with 4 (10 % allowed), and with 1 area 0.5 to 2 times as long as under mmap_lock alone (open to 0.35 and 2.8).',
  cannotTell: 'How large the areas of real applications are.',
  decidedBy: 'time',
  figures: {
    one: { name: 'call of the writer, hold, 1 area', unit: 'ms' },
    four: { name: 'call of the writer, hold, 4 areas', unit: 'ms' },
    many: { name: 'call of the writer, hold, 24 areas', unit: 'ms' },
    mmapHold: { name: 'call of the writer, mmap_lock held over I/O', unit: 'ms' },
    growth: { name: '1 area against 24', unit: 'times' },
    against: { name: '1 area against mmap_lock', unit: 'times' },
  },
  async measure(runs) {
    const samples = await runs.interleaved(VARIANTS, OTHERS, (variant) => writerMs(runs, variant));
    const [one = 0, four = 0, many = 0, mmapHold = 0] = samples.map(median);
    return { one, four, many, mmapHold, growth: one / many, against: one / mmapHold };
  },
  judge({ one, four, many, growth, against }) {
    const near = against >= 0.5 && against <= 2 ? true : against < 0.35 || against > 2.8 ? false : undefined;
    return judgeAll([
      { what: `a call takes ${said(one)} ms with 1 area and ${said(many)} ms with 24`, met: atLeast(growth, 2, 1.4) },
      { what: `${said(four)} ms with 4`, met: atLeast(one / four, 0.9, 0.75) },
      { what: `with 1 area it takes ${said(against)} times as long as under mmap_lock alone`, met: near },
    ]);
  },
};
