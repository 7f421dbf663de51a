/**
 * Everybody writes to one file through shared mappings and with write(2), while one CPU writes back and others wait for the device.
 *
 *   writer                                    write-back
 *   fault: page_mkwrite, dirty, writable
 *   writes S1
 *                                             cleans it, write-protects it, submits it
 *   fault: dirty again; too much is dirty     S1 is on its way
 *   drops its lock, pauses, COMPLETED
 *   writes S2                                 <- decides: S2 is dirty, and not lost with the end of the I/O
 */
import { MADV_DONTNEED } from '@faultlab/core/mm/mman';
import type { FileUse, Region } from '../program/program.ts';
import type { Scenario } from '../scenario.ts';
import { mapRegion, READ_ONLY, READ_WRITE, sharedView, stripedFile } from './layout.ts';
import { DISK, diskFile } from './storage.ts';

const PAGES = 64;
const file = (cpu: number, cpus: number): FileUse => stripedFile('ledger', PAGES, cpu, cpus);
const view = (cpu: number, cpus: number, index: number): Region => ({ ...sharedView(file(cpu, cpus), 0, index), name: `view ${index}` });
/** Protections of the second view change. */
const changing = (cpu: number, cpus: number): Region => ({ ...view(cpu, cpus, 1), layout: 'shared' });

export const sharedWriteStorm: Scenario = {
  name: 'shared_write_storm',
  story: 'shared pages of a file are written, written back, synced, throttled and evicted at the same time; no write is lost',
  mustSee: ['page_mkwrite', 'pgpgout', 'dirty_throttled', 'dirty_dropped', 'file_writes', 'file_reads'],
  devices: [DISK],
  cpusMin: 2,
  sysctl: { dirtyBackground: 8, dirtyThresh: 20 },
  files: ({ cpus }) => [diskFile(file(0, cpus).pages)],
  setup: ({ cpus }) => [mapRegion(view(0, cpus, 0)), mapRegion(changing(0, cpus))],
  program: (cpu, { cpus }) => {
    const regions = [view(cpu, cpus, 0), changing(cpu, cpus)];
    const files = [file(cpu, cpus)];
    if (cpu === cpus - 1) return { files, regions, helper: true, body: { draw: [{ op: 'writeback', weight: 1 }] } };
    return {
      files,
      regions,
      body: {
        draw: [
          { op: 'write', region: 0, weight: 30 },
          { op: 'read', region: 0, weight: 15 },
          { op: 'write', region: 1, weight: 10 },
          { op: 'read', region: 1, weight: 10 },
          { op: 'kernel_write', region: 0, weight: 3 },
          { op: 'remote_write', region: 0, weight: 3 },
          { op: 'fwrite', file: 0, weight: 6 },
          { op: 'fread', file: 0, weight: 6 },
          { op: 'msync', region: 0, weight: 1, pages: [1, 16] },
          { op: 'fsync', file: 0, weight: 1 },
          { op: 'mprotect', region: 1, weight: 2, pages: [1, 16], choices: [READ_ONLY, READ_WRITE, READ_WRITE] },
          { op: 'madvise', region: 0, weight: 1, pages: 'whole', choices: [MADV_DONTNEED] },
          { op: 'madvise', region: 1, weight: 1, pages: 'whole', choices: [MADV_DONTNEED] },
          { op: 'evict', file: 0, weight: 2 },
        ],
      },
    };
  },
};
