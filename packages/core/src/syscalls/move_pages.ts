/**
 * Moving a page of the running address space to another frame, as move_pages() does between nodes.
 * @kernel mm/migrate.c kernel_move_pages(), add_folio_for_migration(), migrate_pages()
 * @fidelity reduced: one page, and any other frame will do; as with MPOL_MF_MOVE_ALL pages that others map move too
 * Next: mm/migrate.ts
 */
import type { Vpn } from '../base/brand.ts';
import { EAGAIN, EBUSY, EINTR } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { mappedPage } from '../mm/mapped_page.ts';
import { migrateFolio } from '../mm/migrate.ts';
import { mmap_read_lock_killable, mmap_read_unlock } from '../mm/mmap_lock.ts';
import { folio_put } from '../mm/page_alloc.ts';
import { count_vm_event, SYSCALLS, SYSCALLS_FAILED } from '../trace/counters.ts';

/** How often a page that somebody uses is tried again. @kernel NR_MAX_MIGRATE_PAGES_RETRY */
const PASSES = 10;

/**
 * @locks none in, none out. mmap_lock for reading only while the page is looked up; may sleep
 * @returns 0, ENOENT when nothing is mapped, EFAULT outside of all areas and for the zero page, EBUSY when somebody uses the page, ENOMEM
 */
export function sys_move_pages(cpu: Cpu, vpn: number): number {
  count_vm_event(cpu, SYSCALLS);
  const result = movePage(cpu, vpn as Vpn);
  if (result < 0) count_vm_event(cpu, SYSCALLS_FAILED);
  return result;
}

function movePage(cpu: Cpu, vpn: Vpn): number {
  const mm = cpu.mm;
  if (mmap_read_lock_killable(cpu, mm) !== 0) return EINTR;
  const { error, pfn } = mappedPage(cpu, mm, vpn);
  mmap_read_unlock(cpu, mm);
  if (error !== 0) return error;
  let result = EAGAIN;
  for (let pass = 0; pass < PASSES && result === EAGAIN; pass++) result = migrateFolio(cpu, pfn, 'sync');
  folio_put(cpu, pfn);
  return result === EAGAIN ? EBUSY : result;
}
