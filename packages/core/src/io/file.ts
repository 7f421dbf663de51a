/**
 * The end of a file: nobody maps it, and its owner gives it up.
 *
 *   closing CPU                               CPU that writes back
 *   1 waits until nobody pins the file
 *                                             2 pins it
 *   3 freezes the count at 1: fails on 2      <- decides: waits again
 *   4 freezes: from now on nobody pins it
 *
 * @kernel fs/inode.c evict(); mm/truncate.c truncate_inode_pages_final()
 * @fidelity reduced: a file is deleted when it is closed; dirty pages are not written, for nobody can ask for them any more
 * Next: io/writeback.ts
 */
import { assert } from '../base/assert.ts';
import type { MappingId } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import {
  FILE_DISK,
  fileDevice,
  fileKind,
  freeFile,
  freezeFile,
  mapping_mapped,
  pagesRoot,
  shmem_mapping,
  waitForFilePins,
} from '../mm/address_space.ts';
import { fput } from '../mm/fput.ts';
import { shmem_truncate_range } from '../mm/shmem.ts';
import { truncate_inode_pages_range } from '../mm/truncate.ts';
import { FILE_END } from '../mm/unmap_mapping.ts';
import { xa_destroy } from '../mm/xarray.ts';
import { discardExtent } from './device_contents.ts';
import type { DeviceId } from './device_record.ts';

/**
 * Gives a file back, with its pages and what was written to its blocks. Waits for faults and write-back that still use it.
 * @locks in: none. No area maps the file (unless it is shmem), and nobody else knows it. May sleep
 */
export function closeFile(cpu: Cpu, file: MappingId): void {
  const m = cpu.memory;
  if (shmem_mapping(m, file)) {
    fput(cpu, file); // It ends with its last reference, which may be an area's.
    return;
  }
  assert(!mapping_mapped(m, file), 'closeFile: the file is still mapped');
  do waitForFilePins(cpu, file);
  while (!freezeFile(cpu, file));
  if (shmem_mapping(m, file)) shmem_truncate_range(cpu, file, 0, FILE_END);
  else truncate_inode_pages_range(cpu, file, 0, FILE_END);
  if (fileKind(m, file) === FILE_DISK) discardExtent(cpu, fileDevice(m, file) as DeviceId, file);
  xa_destroy(cpu, pagesRoot(m, file));
  freeFile(cpu, file);
}
