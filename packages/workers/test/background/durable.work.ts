/**
 * A program that wants its pages on the device: it writes its own pages of a file, syncs, and when it is told of an error it writes all of them again. When
 * it is told of none, the device must hold what it wrote.
 */
import type { MappingId } from '@faultlab/core/base/brand';
import { EIO } from '@faultlab/core/base/errno';
import { blockStamp } from '@faultlab/core/io/device_contents';
import type { DeviceId } from '@faultlab/core/io/device_record';
import { closeFile } from '@faultlab/core/io/file';
import { sampleWritebackErrors } from '@faultlab/core/io/writeback';
import { createFile, FILE_DISK } from '@faultlab/core/mm/address_space';
import { rcu_note_quiescent } from '@faultlab/core/sched/rcu_state';
import { sys_write } from '@faultlab/core/syscalls/file_rw';
import { sys_fsync } from '@faultlab/core/syscalls/msync';
import { sys_sync } from '@faultlab/core/syscalls/sync';
import type { WorkContext } from '@faultlab/workers/work';

const DISK = 0 as DeviceId;

/** Make the file, write it, or close it. */
export type DurableData =
  | { readonly step: 'create'; readonly pages: number }
  | { readonly step: 'write'; readonly file: number; readonly pages: number; readonly cpus: number; readonly rounds: number }
  | { readonly step: 'close'; readonly file: number };

export interface DurableResult {
  readonly file: number;
  /** Syncs that told of an error, and those that told of none. */
  readonly errors: number;
  readonly good: number;
  /** Pages that the device did not hold although nobody told of an error. */
  readonly lost: number;
}

export default function durable(context: WorkContext, data: DurableData): DurableResult {
  const { cpu } = context;
  context.arrive();
  const none = { errors: 0, good: 0, lost: 0 };
  if (data.step === 'create') return { ...none, file: createFile(cpu, { pages: data.pages, kind: FILE_DISK, device: DISK }) };
  const file = data.file as MappingId;
  if (data.step === 'write') return { ...none, file, ...write(context, file, data) };
  closeFile(cpu, file);
  return { ...none, file };
}

type WriteData = Extract<DurableData, { readonly step: 'write' }>;

function write({ cpu, progress }: WorkContext, file: MappingId, { pages, cpus, rounds }: WriteData): Omit<DurableResult, 'file'> {
  const mine = Array.from({ length: pages }, (_, page) => page).filter((page) => page % cpus === cpu.id);
  const last = new Map<number, number>();
  let [errors, good, lost, stamp] = [0, 0, 0, cpu.id << 20];
  sampleWritebackErrors(cpu, file);
  let again = true;
  for (let round = 0; round < rounds; round++) {
    for (const page of mine) {
      if (!again && cpu.prng.chance(1, 2)) continue;
      stamp++;
      if (sys_write(cpu, file, page, stamp) !== 1) throw new Error(`the write of page ${page} failed`);
      last.set(page, stamp);
      rcu_note_quiescent(cpu);
    }
    if (cpu.prng.chance(1, 4)) sys_sync(cpu); // Tells nobody, and hides nothing from anybody.
    const error = sys_fsync(cpu, file);
    if (error !== 0 && error !== EIO) throw new Error(`fsync returned ${error}`);
    again = error === EIO;
    if (again) errors++;
    else {
      good++;
      for (const [page, wanted] of last) if (blockStamp(cpu, DISK, file, page) !== wanted) lost++;
    }
    progress();
    rcu_note_quiescent(cpu);
  }
  return { errors, good, lost };
}
