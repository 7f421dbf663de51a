/**
 * Everything is drawn from the seed: which ranges there are, what may happen to them, how often, and what does not happen at all.
 *
 *   seed 1: | shared range, remapped by all | own range |          + fork - mremap + signals
 *   seed 2: | fixed range | fixed range, discarded by all |        - fork + mremap - signals
 *
 * Leaving kinds of operations out finds what a mixture of all of them hides, because each of them undoes what another one builds up.
 */
import { Prng } from '@faultlab/core/base/prng';
import { MADV_DONTNEED, MADV_FREE, MADV_POPULATE_WRITE, MAP_POPULATE, MREMAP_FIXED, MREMAP_MAYMOVE } from '@faultlab/core/mm/mman';
import { SIGKILL, SIGUSR1 } from '@faultlab/core/sched/task';
import type { DrawRule, Region } from '../program/program.ts';
import type { Scenario, ScenarioShape } from '../scenario.ts';
import { everyCpu, mapRegion, ownRange, PRIVATE_FIXED, READ_ONLY, READ_WRITE, striped } from './layout.ts';

const SHARED_RANGES = 3;
const SIZES: readonly number[] = [8, 32, 64, 256];
const STREAM = 0x5a;

/** What a seed decides; the same for all CPUs of a run. */
interface Plan {
  readonly shared: readonly Pick<Region, 'pages' | 'layout' | 'discards'>[];
  readonly ownPages: number;
  readonly rules: readonly DrawRule[];
  readonly signals: boolean;
}

function planFor({ seed }: ScenarioShape): Plan {
  const prng = new Prng(seed, STREAM);
  const count = 1 + prng.below(SHARED_RANGES);
  const shared = Array.from({ length: count }, () => {
    const layout = prng.pick(['fixed', 'shared'] as const);
    const discards = layout === 'shared' ? prng.pick(['mine', 'shared'] as const) : prng.pick(['mine', 'shared', 'shared'] as const);
    return { pages: prng.pick(SIZES), layout, discards };
  });
  const own = count;
  const rules = [...shared.flatMap((range, index) => sharedRules(prng, range, index)), ...ownRules(prng, own), ...otherRules(prng, own)];
  return { shared, ownPages: prng.pick([32, 64, 256]), rules, signals: rules.some((rule) => rule.op === 'signal') };
}

/** Keeps a rule in half of the runs, with a weight between 1 and `most`. */
const maybe = (prng: Prng, most: number, rule: Omit<DrawRule, 'weight'>): DrawRule[] =>
  prng.chance(1, 2) ? [{ ...rule, weight: 1 + prng.below(most) }] : [];

function sharedRules(prng: Prng, { pages, layout, discards }: Plan['shared'][number], region: number): DrawRule[] {
  const some: readonly [number, number] = [1, Math.max(1, pages >>> prng.below(4))];
  const rules: DrawRule[] = [
    { op: 'write', region, weight: 5 + prng.below(40) },
    { op: 'read', region, weight: 5 + prng.below(40) },
    ...maybe(prng, 10, { op: 'kernel_write', region }),
    ...maybe(prng, 10, { op: 'kernel_read', region }),
    ...maybe(prng, 10, { op: 'remote_write', region }),
    ...maybe(prng, 10, { op: 'remote_read', region }),
  ];
  if (layout === 'shared')
    rules.push(...maybe(prng, 6, { op: 'mprotect', region, pages: some, choices: [READ_ONLY, READ_WRITE, READ_WRITE, 0] }));
  if (layout === 'shared' && discards === 'shared') {
    rules.push(...maybe(prng, 4, { op: 'munmap', region, pages: some }));
    rules.push({ op: 'mmap', region, weight: 4, pages: some, choices: [READ_WRITE, READ_WRITE, READ_ONLY], flags: PRIVATE_FIXED });
  }
  if (discards === 'shared') rules.push(...maybe(prng, 8, { op: 'madvise', region, pages: some, choices: [MADV_DONTNEED] }));
  return rules;
}

function ownRules(prng: Prng, region: number): DrawRule[] {
  const populate = prng.chance(1, 4) ? MAP_POPULATE : 0;
  return [
    { op: 'write', region, weight: 20 },
    { op: 'read', region, weight: 20 },
    { op: 'mmap', region, weight: 4, pages: [1, 24], choices: [READ_WRITE, READ_WRITE, READ_ONLY], flags: PRIVATE_FIXED | populate },
    ...maybe(prng, 6, { op: 'mprotect', region, pages: [1, 16], choices: [READ_ONLY, READ_WRITE, 0] }),
    ...maybe(prng, 4, { op: 'munmap', region, pages: [1, 16] }),
    ...maybe(prng, 4, { op: 'mremap', region, pages: [1, 12], flags: MREMAP_MAYMOVE | MREMAP_FIXED }),
    ...maybe(prng, 4, { op: 'madvise', region, pages: [1, 16], choices: [MADV_DONTNEED, MADV_FREE, MADV_POPULATE_WRITE] }),
    ...maybe(prng, 2, { op: 'mlock', region, pages: [1, 8] }),
    ...maybe(prng, 2, { op: 'munlock', region, pages: [1, 32] }),
  ];
}

function otherRules(prng: Prng, own: number): DrawRule[] {
  return [
    ...maybe(prng, 4, { op: 'map_anywhere', pages: [1, 8] }),
    ...maybe(prng, 2, { op: 'fork_check', region: own, pages: [1, 24] }),
    ...maybe(prng, 1, { op: 'fork_give' }),
    ...maybe(prng, 2, { op: 'adopt' }),
    ...maybe(prng, 1, { op: 'process_round', pages: [1, 8] }),
    ...(prng.chance(1, 3) ? [{ op: 'signal', weight: 2, choices: [SIGKILL, SIGUSR1] } as const] : []),
  ];
}

function regionsFor(plan: Plan, cpu: number, cpus: number): Region[] {
  const shared = plan.shared.map((range, index) => ({
    ...striped(`shared ${index}`, index, range.pages, cpu, cpus),
    layout: range.layout,
    discards: range.discards,
  }));
  return [...shared, ownRange('own', SHARED_RANGES, plan.ownPages, cpu, READ_WRITE)];
}

export const swarm: Scenario = {
  name: 'swarm',
  story: 'everything is drawn from the seed, what happens and what does not',
  mustSee: ['pgfault'],
  setup: (shape) => {
    const plan = planFor(shape);
    const ranges = regionsFor(plan, 0, shape.cpus);
    const owns = everyCpu(shape.cpus).map((cpu) => ownRange('own', SHARED_RANGES, plan.ownPages, cpu, READ_WRITE));
    return [...ranges.slice(0, -1), ...owns].map((region) => mapRegion(region));
  },
  program: (cpu, shape) => {
    const plan = planFor(shape);
    return { regions: regionsFor(plan, cpu, shape.cpus), signals: plan.signals, body: { draw: plan.rules } };
  },
};
