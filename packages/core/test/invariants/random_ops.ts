/** Random operations of one CPU on several address spaces, drawn from a seed: everything that a program can ask for, sense or nonsense. */
import { type MmId, NO_MAPPING, type Vpn } from '@faultlab/core/base/brand';
import { Prng } from '@faultlab/core/base/prng';
import type { Cpu } from '@faultlab/core/cpu';
import { rcu_process_callbacks } from '@faultlab/core/locking/rcu';
import { set_mm_brk, set_start_brk } from '@faultlab/core/mm/mm_struct';
import * as mman from '@faultlab/core/mm/mman';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import { rcu_note_quiescent } from '@faultlab/core/sched/rcu_state';
import { sys_brk } from '@faultlab/core/syscalls/brk';
import { sys_fork } from '@faultlab/core/syscalls/dup_mmap';
import { mmput } from '@faultlab/core/syscalls/exit_mmap';
import { sys_madvise } from '@faultlab/core/syscalls/madvise';
import { sys_mlock, sys_munlock } from '@faultlab/core/syscalls/mlock';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';
import { sys_mprotect } from '@faultlab/core/syscalls/mprotect';
import { sys_mremap } from '@faultlab/core/syscalls/mremap';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { userRead, userWrite } from '@faultlab/core/user/access';
import { kernelRead, kernelWrite, processVmRead, processVmWrite } from '@faultlab/core/user/kernel_access';
import type { World } from './world.ts';

const LOWEST = 0x1000;
const PAGES = 0x700;
const HEAP = 0x4000;
const SPACES_MAX = 4;
const ADVICE = [mman.MADV_DONTNEED, mman.MADV_FREE, mman.MADV_RANDOM, mman.MADV_NORMAL, mman.MADV_DONTFORK, mman.MADV_DOFORK];
const MORE_ADVICE = [mman.MADV_WIPEONFORK, mman.MADV_KEEPONFORK, mman.MADV_POPULATE_READ, mman.MADV_POPULATE_WRITE, mman.MADV_DONTNEED];

export class RandomOps {
  readonly #cpu: Cpu;
  readonly #world: World;
  readonly #prng: Prng;
  readonly #spaces: MmId[];

  constructor(machine: World, seed: number) {
    this.#cpu = machine.cpu;
    this.#world = machine;
    this.#prng = new Prng(seed);
    this.#spaces = [machine.parent];
    set_start_brk(machine.m, machine.parent, HEAP);
    set_mm_brk(machine.m, machine.parent, HEAP);
  }

  /** One operation; how it ends does not matter. */
  step(): void {
    const draw = this.#prng.below(100);
    if (draw < 45) this.#touch();
    else if (draw < 58) this.#map();
    else if (draw < 66) sys_munmap(this.#cpu, this.#page(), this.#length());
    else if (draw < 76) sys_mprotect(this.#cpu, this.#page(), this.#length(), this.#prot());
    else if (draw < 83) this.#remap();
    else if (draw < 90) sys_madvise(this.#cpu, this.#page(), this.#length(), this.#prng.pick([...ADVICE, ...MORE_ADVICE]));
    else if (draw < 93) this.#lock();
    else if (draw < 95) sys_brk(this.#cpu, HEAP + this.#prng.below(40) - 2);
    else this.#process();
    rcu_note_quiescent(this.#cpu);
    rcu_process_callbacks(this.#cpu);
  }

  /** Ends the processes that were made here. */
  end(): void {
    switch_mm(this.#cpu, this.#world.parent);
    for (const space of this.#spaces.splice(1)) mmput(this.#cpu, space);
  }

  #page(): Vpn {
    return (LOWEST + this.#prng.below(PAGES)) as Vpn;
  }

  #length(): number {
    return this.#prng.chance(1, 40) ? 0 : 1 + this.#prng.below(this.#prng.chance(1, 8) ? 600 : 24);
  }

  #prot(): number {
    return this.#prng.pick([0, 1, 1, 3, 3, 3, 3, 5, 7]);
  }

  #touch(): void {
    const page = this.#page();
    const stamp = this.#prng.below(1000);
    const target = this.#prng.pick(this.#spaces);
    const kinds: (() => number)[] = [
      () => userWrite(this.#cpu, page, stamp),
      () => userWrite(this.#cpu, page, stamp),
      () => userRead(this.#cpu, page),
      () => userRead(this.#cpu, page),
      () => kernelRead(this.#cpu, page),
      () => kernelWrite(this.#cpu, page, stamp),
      () => processVmRead(this.#cpu, target, page),
      () => processVmWrite(this.#cpu, target, page, stamp),
    ];
    this.#prng.pick(kinds)();
  }

  #map(): void {
    const shared = this.#prng.chance(1, 6);
    const file = shared || this.#prng.chance(1, 5) ? this.#world.file : NO_MAPPING;
    let flags = shared ? mman.MAP_SHARED : mman.MAP_PRIVATE;
    if (file === NO_MAPPING) flags |= mman.MAP_ANONYMOUS;
    if (this.#prng.chance(2, 3)) flags |= mman.MAP_FIXED;
    if (this.#prng.chance(1, 8)) flags |= mman.MAP_POPULATE;
    if (this.#prng.chance(1, 12)) flags |= mman.MAP_LOCKED;
    if (this.#prng.chance(1, 12)) flags |= mman.MAP_GROWSDOWN;
    sys_mmap(this.#cpu, this.#page(), this.#length(), this.#prot(), flags, file, this.#prng.below(90));
  }

  #remap(): void {
    const flags = this.#prng.pick([0, 1, 1, 3, 3, 5, 7]);
    const old = this.#length();
    const wanted = this.#prng.chance(1, 2) ? old : this.#length();
    sys_mremap(this.#cpu, this.#page(), old, wanted, flags, this.#page());
  }

  #lock(): void {
    if (this.#prng.chance(1, 2)) sys_mlock(this.#cpu, this.#page(), this.#length());
    else sys_munlock(this.#cpu, this.#page(), this.#length());
  }

  /** Forks, ends a process, or goes on as another one. */
  #process(): void {
    const draw = this.#prng.below(3);
    if (draw === 0 && this.#spaces.length < SPACES_MAX) {
      const child = sys_fork(this.#cpu);
      if (child > 0) this.#spaces.push(child as MmId);
    } else if (draw === 1 && this.#spaces.length > 1) {
      const [ended] = this.#spaces.splice(1 + this.#prng.below(this.#spaces.length - 1), 1);
      if (this.#cpu.mm === ended) switch_mm(this.#cpu, this.#world.parent);
      mmput(this.#cpu, ended as MmId);
    } else switch_mm(this.#cpu, this.#prng.pick(this.#spaces));
  }
}
