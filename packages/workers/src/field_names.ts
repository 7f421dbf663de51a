/**
 * Names of the words that a trace shows most, by the record that they lie in: "mm 1 mmap_lock" is read faster than "mm 1, word 0".
 * Next: word_names.ts
 */
import type { Layout, RegionName } from '@faultlab/core/memory/layout';
import { RECORD_WORDS } from '@faultlab/core/memory/layout';
import { recordField, recordName } from './word_names.ts';

interface Fields {
  readonly region: RegionName;
  readonly words: number;
  readonly names: Readonly<Record<number, string>>;
}

const FIELDS: readonly Fields[] = [
  {
    region: 'mms',
    words: RECORD_WORDS.mm,
    names: { 0: 'mmap_lock', 16: 'mm_lock_seq', 19: 'vma_writer_wait', 48: 'mm_users', 49: 'mm_count' },
  },
  { region: 'vmas', words: RECORD_WORDS.vma, names: { 0: 'vm_refcnt', 1: 'vm_lock_seq', 9: 'detached', 32: 'vm_lock' } },
  { region: 'folios', words: RECORD_WORDS.folio, names: { 0: 'flags', 1: 'refcount', 2: 'mapcount', 3: 'mapping' } },
  { region: 'tables', words: RECORD_WORDS.table, names: { 0: 'lock' } },
  { region: 'percpu', words: RECORD_WORDS.percpu, names: { 16: 'task state', 17: 'pending signals', 18: 'RCU state' } },
  { region: 'header', words: RECORD_WORDS.header, names: { 48: 'grace period' } },
];

/** A word by its record and field: "vma 17 vm_refcnt", "vma 17, word 4", "user word 3". */
export function fieldName(layout: Layout, word: number): string {
  for (const { region, words, names } of FIELDS) {
    const { base, words: length } = layout.regions[region];
    const name = word >= base && word < base + length ? names[(word - base) % words] : undefined;
    if (name !== undefined) return region === 'header' ? name : `${recordName(layout, word)} ${name}`;
  }
  const { user, header } = layout.regions;
  const isAlone = word >= user.base || word < header.base + header.words;
  return isAlone ? recordName(layout, word) : recordField(layout, word);
}
