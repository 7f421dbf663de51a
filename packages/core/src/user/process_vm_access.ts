/**
 * process_vm_readv and process_vm_writev: a debugger's copy from and to another address space, in bulk, through pins.
 * @kernel mm/process_vm_access.c process_vm_rw_single_vec()
 * @fidelity reduced: one range, whole pages, and one stamp stands for a page
 * Next: fault/gup.ts
 */
import type { MmId, Pfn, Vpn } from '../base/brand.ts';
import { EFAULT } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { FOLL_WRITE } from '../fault/foll_flags.ts';
import { pin_user_pages_remote } from '../fault/gup.ts';
import { unpin_user_pages_dirty_lock } from '../fault/unpin_user_pages.ts';
import { readStamp, writeStamp } from '../mm/folio.ts';
import { mmap_read_lock, mmap_read_unlock } from '../mm/mmap_lock.ts';

/** Pages pinned at a time. @kernel PVM_MAX_USER_PAGES */
const PINNED_MAX = 1024;

/**
 * Reads the stamps of `count` pages. The caller keeps the address space alive.
 * @locks none in, none out. Takes mmap_lock for reading; may sleep. @returns pages read, in stamps; EFAULT when there is none
 */
export function process_vm_readv(cpu: Cpu, mm: MmId, start: Vpn, count: number, stamps: number[]): number {
  return process_vm_rw(cpu, mm, start, count, 0, (pfn, page) => {
    stamps[page] = readStamp(cpu, pfn);
  });
}

/** Writes a stamp to each page from `start` on, as process_vm_readv() reads. @returns pages written; EFAULT when there is none */
export function process_vm_writev(cpu: Cpu, mm: MmId, start: Vpn, stamps: readonly number[]): number {
  return process_vm_rw(cpu, mm, start, stamps.length, FOLL_WRITE, (pfn, page) => writeStamp(cpu, pfn, stamps[page] as number));
}

function process_vm_rw(cpu: Cpu, mm: MmId, start: Vpn, count: number, foll: number, copy: (pfn: Pfn, page: number) => void): number {
  let done = 0;
  while (done < count) {
    const pages: Pfn[] = [];
    const lock = { locked: true };
    mmap_read_lock(cpu, mm);
    const pinned = pin_user_pages_remote(cpu, mm, (start + done) as Vpn, Math.min(count - done, PINNED_MAX), foll, pages, lock);
    if (lock.locked) mmap_read_unlock(cpu, mm);
    if (pinned <= 0) break;
    pages.forEach((pfn, page) => {
      copy(pfn, done + page);
    });
    unpin_user_pages_dirty_lock(cpu, pages, (foll & FOLL_WRITE) !== 0);
    done += pinned;
  }
  return done > 0 || count === 0 ? done : EFAULT;
}
