/**
 * Names for words: which lock, area or CPU a word of the arena belongs to, so that a report says "mmap_lock of mm 3" and not a number.
 * Next: stall_report.ts
 */
import { type Layout, RECORD_WORDS, type RegionName } from '@faultlab/core/memory/layout';

interface RecordNaming {
  readonly region: RegionName;
  readonly words: number;
  name(slot: number, field: number, layout: Layout): string;
}

const RECORDS: readonly RecordNaming[] = [
  { region: 'header', words: RECORD_WORDS.header, name: (_, field) => (field === 33 ? 'the start gate' : `header word ${field}`) },
  { region: 'percpu', words: RECORD_WORDS.percpu, name: (slot) => `CPU ${slot}` },
  { region: 'caches', words: RECORD_WORDS.caches, name: (slot) => `slot cache ${slot}` },
  { region: 'mms', words: RECORD_WORDS.mm, name: (slot) => `mm ${slot}` },
  { region: 'vmas', words: RECORD_WORDS.vma, name: (slot) => `vma ${slot}` },
  { region: 'tables', words: RECORD_WORDS.table, name: (slot) => `page table ${slot}` },
  { region: 'ptes', words: RECORD_WORDS.ptes, name: (slot) => `entries of page table ${slot}` },
  { region: 'folios', words: RECORD_WORDS.folio, name: (slot) => `folio ${slot}` },
  { region: 'anonVmas', words: RECORD_WORDS.anonVma, name: (slot) => `anon_vma ${slot}` },
  { region: 'avcs', words: RECORD_WORDS.avc, name: (slot) => `anon_vma_chain ${slot}` },
  { region: 'mappings', words: RECORD_WORDS.mapping, name: (slot) => `file ${slot}` },
  { region: 'xaNodes', words: RECORD_WORDS.xaNode, name: (slot) => `page-cache node ${slot}` },
  { region: 'folioWaits', words: RECORD_WORDS.folioWait, name: (slot) => `folio wait queue ${slot}` },
  { region: 'swapInfos', words: RECORD_WORDS.swapInfo, name: (slot) => `swap area ${slot}` },
  {
    region: 'swapSlots',
    words: RECORD_WORDS.swapSlot,
    name: (slot, _, { size }) => `swap slot ${slot % size.swapSlots} of area ${Math.floor(slot / size.swapSlots)}`,
  },
  { region: 'userfaultfds', words: RECORD_WORDS.userfaultfd, name: (slot) => `userfaultfd ${slot}` },
  { region: 'devices', words: RECORD_WORDS.device, name: (slot) => `device ${slot}` },
  {
    region: 'requests',
    words: RECORD_WORDS.request,
    name: (slot, _, { size }) => `request slot ${slot % size.deviceRequests} of device ${Math.floor(slot / size.deviceRequests)}`,
  },
  { region: 'user', words: 1, name: (slot) => `user word ${slot}` },
];

/** The record that a word lies in. */
export function recordName(layout: Layout, word: number): string {
  for (const { region, words, name } of RECORDS) {
    const { base, words: length } = layout.regions[region];
    if (word >= base && word < base + length) return name(Math.floor((word - base) / words), (word - base) % words, layout);
  }
  return `word ${word}`;
}

/** The same with the word's place in the record: "vma 17, word 4". */
export function recordField(layout: Layout, word: number): string {
  for (const { region, words, name } of RECORDS) {
    const { base, words: length } = layout.regions[region];
    if (word < base || word >= base + length) continue;
    const field = (word - base) % words;
    return `${name(Math.floor((word - base) / words), field, layout)}, word ${field}`;
  }
  return `word ${word}`;
}

/** A lock by its class and place: "mmap_lock of mm 3", "vma 17". */
export function lockName(layout: Layout, lockClass: string, word: number): string {
  const record = recordName(layout, word);
  const [kind] = record.split(' ');
  return lockClass === '' || lockClass === kind ? record : `${lockClass} of ${record}`;
}
