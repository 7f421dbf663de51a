/**
 * What swarm is for anonymous memory, for everything that waits: which files there are and how they are mapped, who cuts them, what goes to swap,
 * whether a handler answers faults, and what does not happen at all, is drawn from the seed.
 *
 *   seed 1: | disk file, shared and private | shared memory | memory |        + swap + truncation - handler - fork
 *   seed 2: | disk file, private | memory | served memory |                   - swap - truncation + handler + fork
 *
 * Leaving kinds of operations out finds what a mixture of all of them hides, because each of them undoes what another one builds up.
 */
import { Prng } from '@faultlab/core/base/prng';
import { MADV_COLD, MADV_DONTNEED, MADV_NORMAL, MADV_PAGEOUT, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED } from '@faultlab/core/mm/mman';
import { SIGKILL, SIGUSR1 } from '@faultlab/core/sched/task';
import { UFFDIO_REGISTER_MODE_MISSING, UFFDIO_REGISTER_MODE_WP } from '@faultlab/core/syscalls/userfaultfd_register';
import { op } from '../program/op.ts';
import type { DrawRule, FileUse, Region } from '../program/program.ts';
import type { Scenario, ScenarioShape } from '../scenario.ts';
import { mapFlags, mapRegion, privateView, READ_ONLY, READ_WRITE, sharedView, striped, stripedFile } from './layout.ts';
import { DISK, diskFile, memoryFile, SWAP, SWAP_DISK } from './storage.ts';

const STREAM = 0x5b;
const SIZES: readonly number[] = [8, 24, 64];
const ADVICE = [MADV_PAGEOUT, MADV_COLD, MADV_WILLNEED, MADV_DONTNEED, MADV_RANDOM, MADV_SEQUENTIAL, MADV_NORMAL];
const UFFD_MODE = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP;

/** What a seed decides; the same for all CPUs of a run. */
interface Plan {
  readonly files: readonly (Pick<FileUse, 'pages' | 'initial' | 'discards'> & { readonly remapped: boolean; readonly copied: boolean })[];
  readonly memory: Pick<Region, 'pages' | 'layout' | 'discards'>;
  readonly served: boolean;
  readonly rules: readonly DrawRule[];
  readonly signals: boolean;
}

function planFor({ seed }: ScenarioShape): Plan {
  const prng = new Prng(seed, STREAM);
  const files = Array.from({ length: 1 + prng.below(2) }, () => ({
    pages: prng.pick(SIZES),
    initial: prng.pick(['token', 'token', 'zero'] as const),
    discards: prng.pick(['mine', 'shared'] as const),
    remapped: prng.chance(1, 2),
    copied: prng.chance(1, 2),
  }));
  const layout = prng.pick(['fixed', 'shared'] as const);
  const memory = {
    pages: prng.pick(SIZES),
    layout,
    discards: layout === 'shared' ? ('shared' as const) : prng.pick(['mine', 'shared'] as const),
  };
  const served = prng.chance(1, 2);
  const rules = rulesFor(prng, files, memory, served);
  return { files, memory, served, rules, signals: rules.some((rule) => rule.op === 'signal') };
}

/** Keeps a rule in half of the runs, with a weight between 1 and `most`. */
const maybe = (prng: Prng, most: number, rule: Omit<DrawRule, 'weight'>): DrawRule[] =>
  prng.chance(1, 2) ? [{ ...rule, weight: 1 + prng.below(most) }] : [];

/** In the order of the regions: of each file the shared view and perhaps the private one, then memory, then what a handler serves. */
function rulesFor(prng: Prng, files: Plan['files'], memory: Plan['memory'], served: boolean): DrawRule[] {
  const rules: DrawRule[] = [];
  let region = 0;
  files.forEach((file, number) => {
    const views = file.copied ? [0, 1] : [0];
    for (const view of views) rules.push(...viewRules(prng, region + view, file.remapped && view === 0));
    rules.push(...fileRules(prng, number, file));
    region += views.length;
  });
  rules.push(...memoryRules(prng, region, memory));
  if (served)
    rules.push(...touches(prng, region + 1), { op: 'madvise', region: region + 1, weight: 4, pages: [1, 8], choices: [MADV_DONTNEED] });
  return [
    ...rules,
    ...maybe(prng, 1, { op: 'fork_give' }),
    ...maybe(prng, 2, { op: 'adopt' }),
    ...(prng.chance(1, 3) ? [{ op: 'signal', weight: 2, choices: [SIGKILL, SIGUSR1] } as const] : []),
  ];
}

const touches = (prng: Prng, region: number): DrawRule[] => [
  { op: 'write', region, weight: 5 + prng.below(20) },
  { op: 'read', region, weight: 5 + prng.below(20) },
  ...maybe(prng, 4, { op: 'kernel_read', region }),
  ...maybe(prng, 4, { op: 'kernel_write', region }),
  ...maybe(prng, 4, { op: 'remote_read', region }),
  ...maybe(prng, 4, { op: 'remote_write', region }),
];

function viewRules(prng: Prng, region: number, remapped: boolean): DrawRule[] {
  return [
    ...touches(prng, region),
    ...maybe(prng, 5, { op: 'madvise', region, pages: 'whole', choices: ADVICE }),
    ...maybe(prng, 5, { op: 'madvise', region, pages: [1, 8], choices: [MADV_DONTNEED, MADV_PAGEOUT] }),
    ...maybe(prng, 3, { op: 'read_range', region, pages: [1, 8] }),
    ...maybe(prng, 2, { op: 'pin_range', region, pages: [1, 4] }),
    ...maybe(prng, 2, { op: 'msync', region, pages: [1, 8] }),
    ...maybe(prng, 3, { op: 'move_pages', region, pages: [1, 4] }),
    ...maybe(prng, 2, { op: 'fork_check', region, pages: [1, 8] }),
    ...(remapped ? remaps(prng, region, mapFlags({ backing: { shared: true } } as Region)) : []),
  ];
}

const remaps = (prng: Prng, region: number, flags: number): DrawRule[] => [
  ...maybe(prng, 3, { op: 'mprotect', region, pages: [1, 8], choices: [READ_ONLY, READ_WRITE, READ_WRITE] }),
  ...maybe(prng, 2, { op: 'munmap', region, pages: [1, 4] }),
  { op: 'mmap', region, weight: 3, pages: [1, 8], choices: [READ_WRITE, READ_WRITE, READ_ONLY], flags },
];

function fileRules(prng: Prng, file: number, { pages, discards }: Plan['files'][number]): DrawRule[] {
  return [
    ...maybe(prng, 6, { op: 'fread', file }),
    ...maybe(prng, 6, { op: 'fwrite', file }),
    ...maybe(prng, 3, { op: 'fsync', file }),
    ...maybe(prng, 6, { op: 'evict', file }),
    ...(discards === 'shared' ? maybe(prng, 4, { op: 'truncate', file, pages: [0, pages] }) : []),
    ...(discards === 'shared' ? maybe(prng, 3, { op: 'punch', file, pages: [1, 8] }) : []),
  ];
}

function memoryRules(prng: Prng, region: number, { layout, discards }: Plan['memory']): DrawRule[] {
  return [
    ...touches(prng, region),
    ...maybe(prng, 8, { op: 'madvise', region, pages: [1, 8], choices: [MADV_PAGEOUT, MADV_PAGEOUT, MADV_COLD, MADV_WILLNEED] }),
    ...maybe(prng, 4, { op: 'move_pages', region, pages: [1, 4] }),
    ...maybe(prng, 3, { op: 'to_device', region, pages: [1, 4] }),
    ...maybe(prng, 3, { op: 'exclusive', region, pages: [1, 4] }),
    ...maybe(prng, 3, { op: 'numa_hints', region, pages: [1, 8] }),
    ...maybe(prng, 3, { op: 'read_range', region, pages: [1, 8] }),
    ...maybe(prng, 2, { op: 'pin_range', region, pages: [1, 4] }),
    ...maybe(prng, 2, { op: 'fork_check', region, pages: [1, 8] }),
    ...(discards === 'shared' ? maybe(prng, 4, { op: 'madvise', region, pages: [1, 8], choices: [MADV_DONTNEED] }) : []),
    ...(layout === 'shared' ? remaps(prng, region, mapFlags({} as Region)) : []),
  ];
}

function filesFor(plan: Plan, cpu: number, cpus: number): FileUse[] {
  return plan.files.map(({ pages, initial, discards }, number) => ({
    ...stripedFile(`file ${number}`, pages, cpu, cpus),
    initial,
    discards,
  }));
}

/** The ranges, and last the one that a handler serves, if there is one. */
function regionsFor(plan: Plan, cpu: number, cpus: number): Region[] {
  const views = filesFor(plan, cpu, cpus).flatMap((file, number): Region[] => {
    const { remapped, copied } = plan.files[number] as Plan['files'][number];
    const shared: Region = { ...sharedView(file, number, 2 * number), layout: remapped ? 'shared' : 'fixed' };
    return copied ? [shared, { ...privateView(file, number, 2 * number + 1, cpu, cpus), discards: 'shared' }] : [shared];
  });
  const memory = { ...striped('memory', 4, plan.memory.pages, cpu, cpus), layout: plan.memory.layout, discards: plan.memory.discards };
  const served: Region = { ...striped('served', 5, SIZES[1] as number, cpu, cpus), discards: 'shared', fresh: 'fill' };
  return plan.served ? [...views, memory, served] : [...views, memory];
}

export const storageSwarm: Scenario = {
  name: 'storage_swarm',
  story: 'files, swap, handlers and what happens to them are drawn from the seed, and what does not happen',
  mustSee: ['pgfault'],
  cpusMin: 2,
  devices: [DISK, SWAP_DISK],
  swaps: [{ ...SWAP, device: 1 }],
  // A throttled writer may hold mmap_lock while everybody else, and with them whoever would write back, waits for it.
  background: ['writeback'],
  sysctl: { dirtyBackground: 4, dirtyThresh: 16, numaMisplaced: 1 },
  files: (shape) =>
    filesFor(planFor(shape), 0, shape.cpus).map(({ pages, initial }) => (initial === 'zero' ? memoryFile(pages) : diskFile(pages))),
  setup: (shape) => {
    const plan = planFor(shape);
    const regions = regionsFor(plan, 0, shape.cpus);
    const served = regions.at(-1) as Region;
    return [
      ...regions.map((region) => mapRegion(region)),
      ...(plan.served ? [op('uffd_open'), op('uffd_register', served.start, served.pages, UFFD_MODE)] : []),
    ];
  },
  program: (cpu, shape) => {
    const plan = planFor(shape);
    const regions = regionsFor(plan, cpu, shape.cpus);
    const known = { files: filesFor(plan, cpu, shape.cpus), regions, signals: plan.signals };
    if (cpu < shape.cpus - 1) return { ...known, body: { draw: plan.rules } };
    const handler: readonly DrawRule[] = plan.served
      ? [
          { op: 'uffd_serve', weight: 8 },
          { op: 'uffd_wp', region: regions.length - 1, weight: 1, pages: [1, 8], choices: [1, 0] },
        ]
      : [];
    return { ...known, helper: true, body: { draw: [...handler, { op: 'writeback', weight: 2 }] } };
  },
};
