/**
 * A file gets shorter and longer and has holes punched into it under those who use its pages; and each CPU does the same to a file of its own,
 * whose every page it knows.
 *
 *   faulting CPU                              truncating CPU
 *   size test passes, finds page 40
 *                                             new size 16, zaps, removes page 40
 *   locks page 40: it is nobody's             <- decides: looks again, SIGBUS
 *                                             new size 64
 *   reads page 40: zero, never what it was
 */
import { MADV_DONTNEED } from '@faultlab/core/mm/mman';
import type { DrawRule, FileUse, Region } from '../program/program.ts';
import type { Scenario } from '../scenario.ts';
import { mapRegion, privateView, rangeStart, sharedView, stripedFile } from './layout.ts';
import { DISK, diskFile } from './storage.ts';

const PAGES = 64;
const OWN = 32;
/** Only so many CPUs have a file of their own. */
const OWN_FILES = 7;
const common = (cpu: number, cpus: number): FileUse => ({ ...stripedFile('common', PAGES, cpu, cpus), discards: 'shared' });
const ownFile = (number: number, cpu: number): FileUse => ({
  name: `file of CPU ${number - 1}`,
  pages: OWN,
  initial: 'token',
  writes: number === cpu + 1 ? { step: 1, offset: 0 } : 'none',
  discards: number === cpu + 1 ? 'mine' : 'shared',
});
const files = (cpu: number, cpus: number): FileUse[] => [
  common(cpu, cpus),
  ...Array.from({ length: Math.min(cpus, OWN_FILES) }, (_, index) => ownFile(index + 1, cpu)),
];
const ownViews = (cpu: number): Region[] =>
  [true, false].map((shared, index) => ({
    name: shared ? 'own, shared' : 'own, private',
    start: rangeStart(2 + 2 * cpu + index),
    pages: OWN,
    initial: 3,
    layout: 'fixed',
    discards: 'mine',
    writes: { step: 1, offset: 0 },
    backing: { file: cpu + 1, offset: 0, shared },
  }));
const commonViews = (cpu: number, cpus: number): Region[] => {
  const file = common(cpu, cpus);
  return [sharedView(file, 0, 0), { ...privateView(file, 0, 1, cpu, cpus), discards: 'shared' }];
};

export const truncateRace: Scenario = {
  name: 'truncate_race',
  story: 'files are truncated, extended and punched under their readers and writers; what was cut off never comes back',
  mustSee: ['folio_truncated', 'page_mkwrite', 'filemap_faults', 'faults_error'],
  devices: [DISK],
  files: ({ cpus }) => files(0, cpus).map(({ pages }) => diskFile(pages)),
  setup: ({ cpus }) =>
    [...commonViews(0, cpus), ...Array.from({ length: Math.min(cpus, OWN_FILES) }, (_, cpu) => ownViews(cpu)).flat()].map((region) =>
      mapRegion(region),
    ),
  program: (cpu, { cpus }) => {
    const hasOwn = cpu < OWN_FILES;
    return {
      files: files(cpu, cpus),
      regions: [...commonViews(cpu, cpus), ...(hasOwn ? ownViews(cpu) : [])],
      body: {
        draw: [
          { op: 'write', region: 0, weight: 15 },
          { op: 'read', region: 0, weight: 15 },
          { op: 'write', region: 1, weight: 6 },
          { op: 'read', region: 1, weight: 6 },
          { op: 'kernel_write', region: 0, weight: 2 },
          { op: 'remote_read', region: 0, weight: 2 },
          { op: 'fread', file: 0, weight: 3 },
          { op: 'fwrite', file: 0, weight: 3 },
          { op: 'truncate', file: 0, weight: 3, pages: [0, PAGES] },
          { op: 'punch', file: 0, weight: 2, pages: [1, 16] },
          { op: 'fsync', file: 0, weight: 1 },
          { op: 'madvise', region: 1, weight: 1, pages: [1, PAGES], choices: [MADV_DONTNEED] },
          ...(hasOwn ? ownRules(cpu + 1) : []),
        ],
      },
    };
  },
};

const ownRules = (file: number): readonly DrawRule[] => [
  { op: 'write', region: 2, weight: 10 },
  { op: 'read', region: 2, weight: 10 },
  { op: 'write', region: 3, weight: 5 },
  { op: 'read', region: 3, weight: 5 },
  { op: 'fread', file, weight: 3 },
  { op: 'fwrite', file, weight: 3 },
  { op: 'truncate', file, weight: 3, pages: [0, OWN] },
  { op: 'punch', file, weight: 2, pages: [1, 8] },
  { op: 'msync', region: 2, weight: 1, pages: [1, 8] },
  { op: 'madvise', region: 2, weight: 1, pages: 'whole', choices: [MADV_DONTNEED] },
  { op: 'evict', file, weight: 1 },
];
