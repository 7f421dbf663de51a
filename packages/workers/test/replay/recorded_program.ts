/**
 * Records a random program of several threads: it runs on a model with one CPU, one operation after the other, and what the model does is
 * written down as perf would have. A replay on many CPUs has to come to the same areas, whoever is ahead.
 */

import type { CpuId, MmId, Vpn } from '@faultlab/core/base/brand';
import { NO_MAPPING, NO_VMA } from '@faultlab/core/base/brand';
import { cpuOnline, createCpu, createMachineMemory } from '@faultlab/core/boot';
import type { Cpu } from '@faultlab/core/cpu';
import { DEFAULT_SIZE } from '@faultlab/core/memory/limits';
import { mas_find, mas_walk } from '@faultlab/core/mm/maple_tree';
import { mm_alloc, mmTree, set_mm_brk, set_start_brk } from '@faultlab/core/mm/mm_struct';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import { vm_end, vm_flags, vm_start } from '@faultlab/core/mm/vm_area_struct';
import { protString } from '@faultlab/core/mm/vm_flags';
import { sys_brk } from '@faultlab/core/syscalls/brk';
import { sys_madvise } from '@faultlab/core/syscalls/madvise';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';
import { sys_mprotect } from '@faultlab/core/syscalls/mprotect';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { userRead, userWrite } from '@faultlab/core/user/access';
import { PAGE, ProgramText, READ, WRITE } from './program_text.ts';

const BASE = 0x10000;
const PAGES = 40;
const HEAP_PAGE = 0x8000;
const TASKS = ['5/5', '5/6', '5/7'] as const;
const DONTNEED = 4;
const FIXED_ANONYMOUS = 0x32;

/** `choices` decide everything; the program ends when they are used up. */
export function recordProgram(choices: readonly number[]): ProgramText {
  const recorder = new Recorder(choices);
  recorder.run();
  return recorder.text;
}

class Recorder {
  readonly text: ProgramText = new ProgramText();
  private readonly cpu: Cpu;
  private readonly mm: MmId;
  private readonly choices: readonly number[];
  private at = 0;

  constructor(choices: readonly number[]) {
    this.choices = choices;
    const memory = createMachineMemory({ ...DEFAULT_SIZE, cpus: 1 });
    this.cpu = createCpu({ id: 0 as CpuId, memory, now: () => performance.now() });
    cpuOnline(this.cpu);
    this.mm = mm_alloc(this.cpu);
    set_start_brk(memory, this.mm, HEAP_PAGE);
    set_mm_brk(memory, this.mm, HEAP_PAGE);
    switch_mm(this.cpu, this.mm);
  }

  run(): void {
    this.text
      .exec('5/5')
      .fork('5/5', '5/6')
      .fork('5/5', '5/7')
      .call('5/5', 'brk', { brk: 0 }, HEAP_PAGE * PAGE);
    while (this.at < this.choices.length) this.step(TASKS[this.pick(TASKS.length)] as string);
  }

  private step(task: string): void {
    const what = this.pick(16);
    if (what < 9) this.fault(task);
    else if (what < 12) this.mmap(task);
    else if (what === 12) this.munmap(task);
    else if (what === 13) this.mprotect(task);
    else if (what === 14) this.brk(task);
    else this.dontneed(task);
  }

  private fault(task: string): void {
    const vpn = (BASE + this.pick(PAGES)) as Vpn;
    const write = this.pick(3) > 0;
    if (write) userWrite(this.cpu, vpn, 1);
    else userRead(this.cpu, vpn);
    this.text.fault(task, vpn * PAGE, write ? WRITE : READ);
  }

  private mmap(task: string): void {
    const [start, pages] = this.range();
    const prot = this.pick(4) === 0 ? 1 : 3;
    sys_mmap(this.cpu, start, pages, prot, FIXED_ANONYMOUS, NO_MAPPING, 0);
    this.text.enterMmap(task, { addr: start * PAGE, len: pages * PAGE, prot, flags: FIXED_ANONYMOUS });
    this.report(task, start).leave(task, 'mmap', start * PAGE);
  }

  private munmap(task: string): void {
    const [start, pages] = this.range();
    sys_munmap(this.cpu, start, pages);
    this.text.munmap(task, start * PAGE, pages * PAGE);
  }

  /** Inside one area, and another protection than before: then the kernel reports exactly one area. */
  private mprotect(task: string): void {
    const { memory } = this.cpu;
    const prot = this.pick(2) === 0 ? 1 : 3;
    const vma = mas_find(this.cpu, mmTree(memory, this.mm), (BASE + this.pick(PAGES)) as Vpn);
    if (vma === NO_VMA || (vm_flags(memory, vma) & 3) === prot) return;
    const start = vm_start(memory, vma) + this.pick(vm_end(memory, vma) - vm_start(memory, vma));
    const pages = 1 + this.pick(vm_end(memory, vma) - start);
    sys_mprotect(this.cpu, start, pages, prot);
    this.text.enter(task, 'mprotect', { start: start * PAGE, len: pages * PAGE, prot });
    this.report(task, start).leave(task, 'mprotect', 0);
  }

  private brk(task: string): void {
    const before = sys_brk(this.cpu, 0);
    const after = sys_brk(this.cpu, HEAP_PAGE + this.pick(12));
    this.text.enter(task, 'brk', { brk: after * PAGE });
    if (after > before) this.report(task, before);
    this.text.leave(task, 'brk', after * PAGE);
  }

  private dontneed(task: string): void {
    const [start, pages] = this.range();
    this.text.madvise(task, start * PAGE, pages * PAGE, DONTNEED, sys_madvise(this.cpu, start, pages, DONTNEED));
  }

  private report(task: string, page: number): ProgramText {
    const { memory } = this.cpu;
    const vma = mas_walk(this.cpu, mmTree(memory, this.mm), page as Vpn);
    const start = vm_start(memory, vma) * PAGE;
    return this.text.area(task, { start, len: vm_end(memory, vma) * PAGE - start, prot: protString(vm_flags(memory, vma)) });
  }

  private range(): readonly [start: number, pages: number] {
    const start = this.pick(PAGES);
    return [BASE + start, 1 + this.pick(Math.min(8, PAGES - start))];
  }

  private pick(below: number): number {
    return (this.choices[this.at++] ?? 0) % below;
  }
}
