/**
 * I35: with generations switched on only their lists have pages, and only those from the oldest to the youngest; there are from two to four; each page on
 * such a list is of one of them, and no other page is; nobody ages. With it off, no page is of any generation.
 * Next: invariants/frames.ts
 */
import type { Pfn } from '../base/brand.ts';
import { folioGenWord, lruNext, NO_FOLIO } from '../mm/folio.ts';
import { ALL_LISTS, genList, LRU_LISTS, lruHead, lruSize } from '../mm/lru.ts';
import {
  agingWord,
  GEN_ANON,
  GEN_FILE,
  type GenType,
  lru_gen_enabled,
  lru_gen_from_seq,
  MAX_NR_GENS,
  MIN_NR_GENS,
  maxSeqWord,
  minSeqWord,
} from '../mm/lru_gen.ts';
import type { SweepState } from './sweep_state.ts';

export function sweepGenerations(state: SweepState, memcg: number): void {
  const { m } = state;
  const on = lru_gen_enabled(m);
  if (m.words[agingWord(m, memcg)] !== 0) state.report('Q10', `cgroup ${memcg} is being aged`);
  const [first, end] = on ? [0, LRU_LISTS] : [LRU_LISTS, ALL_LISTS];
  for (let list = first; list < end; list++) {
    if (lruSize(m, memcg, list) !== 0)
      state.report('I35', `list ${list} of cgroup ${memcg} has pages, but that kind of list is not in use`);
  }
  if (!on) return;
  for (const type of [GEN_ANON, GEN_FILE] as const) sweepType(state, memcg, type);
}

function sweepType(state: SweepState, memcg: number, type: GenType): void {
  const { m } = state;
  const youngest = m.words[maxSeqWord(m, memcg)] as number;
  const oldest = m.words[minSeqWord(m, memcg, type)] as number;
  const generations = youngest - oldest + 1;
  const where = `cgroup ${memcg}, ${type === GEN_FILE ? 'files' : 'anonymous pages'}`;
  if (generations < MIN_NR_GENS || generations > MAX_NR_GENS)
    state.report('I35', `${where}: the generations are from ${oldest} to ${youngest}`);
  const known = new Set(Array.from({ length: Math.max(0, generations) }, (_, back) => lru_gen_from_seq(youngest - back)));
  for (let gen = 0; gen < MAX_NR_GENS; gen++) {
    const list = genList(gen, type);
    if (!known.has(gen) && lruSize(m, memcg, list) !== 0) state.report('I35', `${where}: a generation that is over has pages`);
    let looked = 0;
    for (let pfn = lruHead(m, memcg, list); pfn > NO_FOLIO && pfn < m.size.frames && looked < m.size.frames; pfn = lruNext(m, pfn)) {
      looked++;
      const says = genOf(state, pfn);
      if (!known.has(says)) state.report('I35', `${where}: frame ${pfn} is on a list of generations, but says that it is of ${says}`);
    }
  }
}

const genOf = ({ m }: SweepState, pfn: Pfn): number => (m.words[folioGenWord(m, pfn)] as number) - 1;

/** @param places on how many lists the folio was found */
export function sweepGenOfFolio(state: SweepState, pfn: Pfn, places: number): void {
  if (genOf(state, pfn) >= 0 && (places === 0 || !lru_gen_enabled(state.m)))
    state.report('I35', `frame ${pfn} is on no list, but says that it is of generation ${genOf(state, pfn)}`);
}
