/**
 * I26, Q04: every table is reached once, from an entry of the level above, and free tables are empty. Collects the entries for the others.
 * Next: invariants/entries.ts
 */
import type { MmId, Pte, TableId, VmaId, Vpn } from '../base/brand.ts';
import { NO_TABLE, NO_VMA } from '../base/brand.ts';
import { mm_pgd, mmPgtablesWord } from '../mm/mm_struct.ts';
import { entryWord, LEVEL_PGD, LEVEL_PTE, PTRS_PER_TABLE, tableLevel } from '../mm/page_table.ts';
import { TABLE_CACHE } from '../slab/caches.ts';
import { cacheSlots, isAllocated } from '../slab/kmem_cache.ts';
import type { AreaSeen, SpaceSeen, SweepState } from './sweep_state.ts';

const TABLE_SHIFT = 9;
/** Pages below one entry of a level. */
const spanOf = (level: number): number => 2 ** (TABLE_SHIFT * level);

export function sweepPageTables(state: SweepState): void {
  for (const space of state.spaces) new TableWalk(state, space).run();
  const { m } = state;
  for (let table = 1; table <= cacheSlots(m, TABLE_CACHE); table++) {
    if (isAllocated(m, TABLE_CACHE, table)) continue;
    const used = firstUsed(state, table as TableId);
    if (used >= 0)
      state.report('I26', `page table ${table} is free, but its entry ${used} is ${m.words[firstEntry(state, table as TableId) + used]}`);
  }
}

const firstEntry = (state: SweepState, table: TableId): number => entryWord(state.m, table, 0 as Vpn, LEVEL_PTE);

function firstUsed(state: SweepState, table: TableId): number {
  const { words } = state.m;
  const first = firstEntry(state, table);
  for (let i = 0; i < PTRS_PER_TABLE; i++) if (words[first + i] !== 0) return i;
  return -1;
}

class TableWalk {
  readonly #state: SweepState;
  readonly #mm: MmId;
  readonly #areas: readonly AreaSeen[];
  /** Entries come in order, so the area of the next one is this or a later one. */
  #area = 0;
  #tables = 0;

  constructor(state: SweepState, { mm, areas }: SpaceSeen) {
    this.#state = state;
    this.#mm = mm;
    this.#areas = areas;
  }

  run(): void {
    const { m } = this.#state;
    const pgd = mm_pgd(m, this.#mm);
    if (pgd !== NO_TABLE) this.#walk(pgd, LEVEL_PGD, 0);
    const noted = m.words[mmPgtablesWord(m, this.#mm)];
    if (noted !== this.#tables) this.#state.report('Q04', `mm ${this.#mm}: it counts ${noted} page tables, but has ${this.#tables}`);
  }

  #walk(table: TableId, level: number, firstVpn: number): void {
    const state = this.#state;
    const where = `mm ${this.#mm}: page table ${table} of level ${level} at page ${firstVpn}`;
    const reached = state.reach(TABLE_CACHE, table);
    if (reached === 'free') {
      state.report('I26', `${where} is in use, but its slot is free`);
      return;
    }
    if (reached === 'again') {
      state.report('I26', `${where} has two entries that lead to it`);
      return;
    }
    this.#tables++;
    if (tableLevel(state.m, table) !== level) {
      state.report('I26', `${where} says that its level is ${tableLevel(state.m, table)}`);
      return;
    }
    const first = firstEntry(state, table);
    for (let i = 0; i < PTRS_PER_TABLE; i++) {
      const word = state.m.words[first + i] as number;
      if (word === 0) continue;
      const vpn = firstVpn + i * spanOf(level);
      if (level > LEVEL_PTE) this.#walk(word as TableId, level - 1, vpn);
      else state.entries.push({ mm: this.#mm, vpn: vpn as Vpn, pte: word as Pte, vma: this.#areaOf(vpn) });
    }
  }

  #areaOf(vpn: number): VmaId {
    while (this.#area < this.#areas.length && (this.#areas[this.#area] as AreaSeen).end <= vpn) this.#area++;
    const area = this.#areas[this.#area];
    return area !== undefined && area.start <= vpn ? area.vma : NO_VMA;
  }
}
