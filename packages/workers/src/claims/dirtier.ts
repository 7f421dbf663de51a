/**
 * What a page of shmem costs that is written for the first time, by one thread under one policy.
 * Next: dirtier_thread.ts starts it
 */
import type { MmId, Vpn } from '@faultlab/core/base/brand';
import type { Cpu } from '@faultlab/core/cpu';
import { X86_PF_USER, X86_PF_WRITE } from '@faultlab/core/fault/arch/error_code';
import { do_user_addr_fault } from '@faultlab/core/fault/do_user_addr_fault';
import { FILE_SHMEM } from '@faultlab/core/mm/address_space';
import { mmap_read_lock, mmap_read_unlock } from '@faultlab/core/mm/mmap_lock';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { sys_ftruncate } from '@faultlab/core/syscalls/truncate';
import { userWrite } from '@faultlab/core/user/access';
import { quantile } from 'simple-statistics';
import { OneThreadMachine } from '../fault_kinds/one_thread_machine.ts';

export const PAGES = 512;
/** Passes over the file in one sample. */
const PASSES = 60;
/** The same for the variant in which a page is more work. */
const WORKED_PASSES = 30;
/** Passes before the first one counts. */
const WARM_UP = 300;
/**
 * Bytes that the program writes after each fault, for the variant in which a page is more work. Memory of its own, filled by one call: accesses through
 * the model would be as much faster or slower from thread to thread as what is to be seen.
 */
export const WORK: number = 512 * 1024;
const NO_WORK = new Uint8Array(0);
const QUARTER = 0.25;
const PAIRS = 200_000;

/** A machine with an area of shmem, whose pages can be written for the first time again and again. */
export class Dirtier {
  readonly #machine: OneThreadMachine;
  readonly #cpu: Cpu;
  readonly #mm: MmId;
  readonly #area: Vpn;
  readonly #file;

  constructor(policy: FaultPolicy) {
    this.#machine = new OneThreadMachine(policy);
    this.#cpu = this.#machine.cpu;
    this.#mm = this.#machine.mm;
    this.#file = this.#machine.file({ pages: PAGES, kind: FILE_SHMEM });
    this.#area = this.#machine.map(PAGES, { file: this.#file, shared: true });
  }

  /**
   * Nanoseconds for each page: the write that faults, `work` filled after it, and with `inVain` a fault that finds the page there. Of all passes the
   * lower quarter counts: one that the host interrupted says nothing about the code.
   */
  pass(passes: number, work: Uint8Array, inVain = false): number {
    const times: number[] = [];
    for (let pass = 0; pass < passes; pass++) {
      sys_ftruncate(this.#cpu, this.#file, 0);
      sys_ftruncate(this.#cpu, this.#file, PAGES);
      const start = performance.now();
      for (let page = 0; page < PAGES; page++) {
        const vpn = (this.#area + page) as Vpn;
        userWrite(this.#cpu, vpn, page + 1);
        work.fill(page);
        if (inVain) do_user_addr_fault(this.#cpu, vpn, X86_PF_USER | X86_PF_WRITE);
      }
      times.push(performance.now() - start);
    }
    return (quantile(times, QUARTER) * 1e6) / PAGES;
  }

  /** Nanoseconds of mmap_lock taken and released. */
  lockPair(): number {
    const start = performance.now();
    for (let pair = 0; pair < PAIRS; pair++) {
      mmap_read_lock(this.#cpu, this.#mm);
      mmap_read_unlock(this.#cpu, this.#mm);
    }
    return ((performance.now() - start) * 1e6) / PAIRS;
  }
}

export interface Dirtied {
  /** Nanoseconds for each page. */
  readonly page: number;
  /** The same with WORK bytes written after it. */
  readonly worked: number;
  /** The same with one more fault after it, which finds the page there. */
  readonly again: number;
  /** Nanoseconds of mmap_lock taken and released. */
  readonly pair: number;
}

/** What the compiler has made of the code after some passes. */
export function dirtied(policy: FaultPolicy): Dirtied {
  const dirtier = new Dirtier(policy);
  dirtier.pass(WARM_UP, NO_WORK);
  return {
    page: dirtier.pass(PASSES, NO_WORK),
    again: dirtier.pass(PASSES, NO_WORK, true),
    worked: dirtier.pass(WORKED_PASSES, new Uint8Array(WORK)),
    pair: dirtier.lockPair(),
  };
}
