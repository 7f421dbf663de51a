/**
 * What kind of page a fault brought: what lies behind its region, or what had to be read for it. A fault is timed by its way through the handler
 * (fault_path.ts) and by its kind.
 * Next: program_work.ts
 */
import type { MappingId } from '@faultlab/core/base/brand';
import type { Cpu } from '@faultlab/core/cpu';
import { FILE_DRIVER, FILE_SHMEM, fileKind } from '@faultlab/core/mm/address_space';
import { PGMAJFAULT, PSWPIN } from '@faultlab/core/trace/counters';
import { NO_PATH } from './fault_path.ts';
import { pathIndex } from './latency.ts';
import type { Region } from './program.ts';

const ANONYMOUS = pathIndex('fault: anonymous');
const FILE = pathIndex('fault: file');
const SHMEM = pathIndex('fault: shmem');
const DRIVER = pathIndex('fault: driver');
const READ = pathIndex('fault: major, file read');
const SWAPPED_IN = pathIndex('fault: major, swapped in');

export class FaultKindProbe {
  readonly #cpu: Cpu;
  readonly #regions: readonly Region[];
  readonly #files: readonly MappingId[];
  #majors = 0;
  #swappedIn = 0;

  /** @param files the model's, by their numbers in the run */
  constructor(cpu: Cpu, regions: readonly Region[], files: readonly MappingId[]) {
    this.#cpu = cpu;
    this.#regions = regions;
    this.#files = files;
  }

  begin(): void {
    this.#majors = this.#read(PGMAJFAULT);
    this.#swappedIn = this.#read(PSWPIN);
  }

  /** @returns what is timed, for a fault that was served; NO_PATH for a page of no region */
  end(page: number): number {
    if (this.#read(PGMAJFAULT) !== this.#majors) return this.#read(PSWPIN) === this.#swappedIn ? READ : SWAPPED_IN;
    const region = this.#regions.find(({ start, pages }) => page >= start && page < start + pages);
    if (region === undefined) return NO_PATH;
    const file = region.backing === undefined ? undefined : this.#files[region.backing.file];
    if (file === undefined) return region.sharedAnonymous === true ? SHMEM : ANONYMOUS;
    const kind = fileKind(this.#cpu.memory, file);
    if (kind === FILE_DRIVER) return DRIVER;
    return kind === FILE_SHMEM ? SHMEM : FILE;
  }

  #read(counter: number): number {
    return this.#cpu.words[this.#cpu.percpu + counter] as number;
  }
}
