/**
 * The address spaces of a trace on one CPU: which one it runs on, and how they begin and end. A space has one use of its own, from fork or
 * exec to exit, and one for each CPU that runs on it, so the last CPU to leave after the end tears it down.
 * The order of the trace makes fork, exec and the last exit of a process wait for everything before them in that space.
 * Next: carry_out.ts
 */
import { type MmId, NO_MM } from '@faultlab/core/base/brand';
import { ENOMEM } from '@faultlab/core/base/errno';
import { InvariantError } from '@faultlab/core/base/errors';
import type { Cpu } from '@faultlab/core/cpu';
import { mm_alloc, mmget, set_mm_brk, set_rlimit_stack, set_start_brk } from '@faultlab/core/mm/mm_struct';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import { sys_fork } from '@faultlab/core/syscalls/dup_mmap';
import { mmput } from '@faultlab/core/syscalls/exit_mmap';
import { spaceAt } from './replay_map.ts';
import type { ReplayMap } from './replay_program.ts';

const NO_SPACE = -1;

export class Spaces {
  readonly #cpu: Cpu;
  readonly #map: ReplayMap;
  readonly #stackPagesMax: number;
  /** The space of the trace that this CPU runs on. */
  #current = NO_SPACE;

  constructor(cpu: Cpu, map: ReplayMap, stackPagesMax: number) {
    this.#cpu = cpu;
    this.#map = map;
    this.#stackPagesMax = stackPagesMax;
  }

  /** Runs on that space from now on. @returns false when the model has no such space, because making it failed */
  enter(space: number): boolean {
    if (space === this.#current) return true;
    this.leave();
    const mm = this.#mmOf(space);
    if (mm === NO_MM) return false;
    mmget(this.#cpu, mm);
    switch_mm(this.#cpu, mm);
    this.#current = space;
    return true;
  }

  /** Runs on no space any more. */
  leave(): void {
    if (this.#current === NO_SPACE) return;
    const mm = this.#cpu.mm;
    switch_mm(this.#cpu, NO_MM);
    mmput(this.#cpu, mm);
    this.#current = NO_SPACE;
  }

  /** A new, empty space, for exec and for those that were there before the trace. @returns 0 or ENOMEM */
  create(space: number, heap: number): number {
    const mm = mm_alloc(this.#cpu);
    if (mm === NO_MM) return ENOMEM;
    const { memory } = this.#cpu;
    set_start_brk(memory, mm, heap);
    set_mm_brk(memory, mm, heap);
    set_rlimit_stack(memory, mm, this.#stackPagesMax);
    this.#setMm(space, mm);
    return 0;
  }

  /** A copy of the space that this CPU runs on. @returns 0 or an errno */
  fork(child: number): number {
    const mm = sys_fork(this.#cpu);
    if (mm < 0) return mm;
    this.#setMm(child, mm);
    return 0;
  }

  /** Gives up the space's own use: its process has ended or runs another program. */
  end(space: number): void {
    if (this.#current === space) this.leave();
    if (space === NO_SPACE || this.#mmOf(space) === NO_MM) return;
    mmput(this.#cpu, this.#mmOf(space));
    this.#setMm(space, NO_MM);
  }

  // Plain words: whoever reads one has waited for the operation that wrote it, by its completion count.
  #mmOf(space: number): MmId {
    return this.#cpu.memory.user[spaceAt(this.#map, space)] as MmId;
  }

  #setMm(space: number, mm: number): void {
    if (mm !== NO_MM && this.#mmOf(space) !== NO_MM)
      throw new InvariantError('assert', 'spaces: an address space of the trace begins twice');
    this.#cpu.memory.user[spaceAt(this.#map, space)] = mm;
  }
}
