/**
 * The end of an address space: when its last user leaves, everything is unmapped and given back. Nobody can fault any more.
 * @kernel mm/mmap.c exit_mmap(); kernel/fork.c mmput()
 * @fidelity faithful: zap under mmap_lock for reading, free under mmap_lock for writing, every area detached before it is freed
 * Next: mm/zap.ts
 */
import { invariant } from '../base/assert.ts';
import type { MmId, VmaId, Vpn } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { atomic_fetch_add, atomic_read } from '../memory/atomic.ts';
import { unlink_anon_vmas } from '../mm/anon_vma.ts';
import { lru_add_drain } from '../mm/folio_add_lru.ts';
import { __mt_destroy, mt_for_each } from '../mm/maple_tree.ts';
import {
  anonRssWord,
  fileRssWord,
  mmdrop,
  mmPgtablesWord,
  mmTree,
  mmUsersWord,
  set_map_count,
  shmemRssWord,
  swapEntsWord,
} from '../mm/mm_struct.ts';
import { TASK_SIZE_VPN } from '../mm/mman.ts';
import { mmap_read_lock, mmap_read_unlock, mmap_write_lock, mmap_write_unlock } from '../mm/mmap_lock.ts';
import { tlb_finish_mmu, tlb_gather_mmu } from '../mm/mmu_gather.ts';
import { setOomSkip } from '../mm/oom_victim.ts';
import { free_pgd_range, pgd_free } from '../mm/page_table.ts';
import { vm_end, vm_start } from '../mm/vm_area_struct.ts';
import { vm_area_free } from '../mm/vma.ts';
import { unlink_file_vma } from '../mm/vma_file.ts';
import { vma_mark_detached, vma_start_write } from '../mm/vma_lock.ts';
import { zapRange } from '../mm/zap.ts';
import { MUTANT_B15 } from '../mutants/ids.ts';

/**
 * One user less. The last one tears the address space down; no CPU may be switched to it then.
 * @locks none in, none out. May sleep. Pairs with: mmget()
 */
export function mmput(cpu: Cpu, mm: MmId): void {
  const before = atomic_fetch_add(cpu, mmUsersWord(cpu.memory, mm), -1);
  invariant(before > 0, 'I28', 'mmput: the address space had no user left');
  if (before !== 1) return;
  exit_mmap(cpu, mm);
  mmdrop(cpu, mm);
}

function exit_mmap(cpu: Cpu, mm: MmId): void {
  const m = cpu.memory;
  const areas: VmaId[] = [];
  lru_add_drain(cpu); // A page in a batch has a reference more, and would outlive its last user.
  const tlb = tlb_gather_mmu(cpu, mm);
  mmap_read_lock(cpu, mm);
  mt_for_each(cpu, mmTree(m, mm), 0 as Vpn, TASK_SIZE_VPN as Vpn, (vma) => {
    areas.push(vma);
    zapRange(cpu, tlb, vma, vm_start(m, vma), vm_end(m, vma));
  });
  // Nothing more is to be had of it. Under mmap_lock: the reaper, which zaps under it too, goes away. Pairs with: oom_reap_task_mm().
  setOomSkip(cpu, mm);
  mmap_read_unlock(cpu, mm);

  mmap_write_lock(cpu, mm);
  for (const vma of areas) {
    vma_start_write(cpu, vma);
    unlink_file_vma(cpu, vma);
    unlink_anon_vmas(cpu, vma);
  }
  free_pgd_range(cpu, mm, 0 as Vpn, TASK_SIZE_VPN as Vpn, 0, 2 ** 31, tlb.tables);
  tlb_finish_mmu(cpu, tlb);
  for (const vma of areas) {
    if (cpu.mutant !== MUTANT_B15) vma_mark_detached(cpu, vma);
    vm_area_free(cpu, vma);
  }
  __mt_destroy(cpu, mmTree(m, mm));
  set_map_count(m, mm, 0);
  mmap_write_unlock(cpu, mm);
  pgd_free(cpu, mm);
  checkEmpty(cpu, mm);
}

/** Q04, I17: an address space that ends owns nothing. */
function checkEmpty(cpu: Cpu, mm: MmId): void {
  const m = cpu.memory;
  invariant(atomic_read(cpu, anonRssWord(m, mm)) === 0, 'I17', 'exit_mmap: anonymous pages are left in the books');
  invariant(atomic_read(cpu, fileRssWord(m, mm)) === 0, 'I17', 'exit_mmap: file pages are left in the books');
  invariant(atomic_read(cpu, shmemRssWord(m, mm)) === 0, 'I17', 'exit_mmap: shmem pages are left in the books');
  invariant(atomic_read(cpu, swapEntsWord(m, mm)) === 0, 'I29', 'exit_mmap: swapped-out pages are left in the books');
  invariant(atomic_read(cpu, mmPgtablesWord(m, mm)) === 0, 'I26', 'exit_mmap: page tables are left');
}
