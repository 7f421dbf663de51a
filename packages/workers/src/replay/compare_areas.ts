/**
 * The model's areas against those that the kernel reported: start, length, protection, and for files which one and from where.
 *
 * A call may report several areas, one for each that it went through, and a later one may merge with those before it. So an area that is
 * not the last may also be found inside a later one of the same call.
 *
 * Where allocations may fail, areas that could be one may stay several: merging is given up when there is no memory for it. Then the
 * reported area is looked for in all the pieces together.
 * Next: replay_cpu.ts
 */
import { NO_MAPPING, NO_VMA, type Vpn } from '@faultlab/core/base/brand';
import type { Cpu } from '@faultlab/core/cpu';
import { rcu_read_lock, rcu_read_unlock } from '@faultlab/core/locking/rcu';
import { mas_walk } from '@faultlab/core/mm/maple_tree';
import { mmTree } from '@faultlab/core/mm/mm_struct';
import { vm_end, vm_file, vm_flags, vm_pgoff, vm_start } from '@faultlab/core/mm/vm_area_struct';
import { protString } from '@faultlab/core/mm/vm_flags';
import { fileAt } from './replay_map.ts';
import { type ModelArea, NO_FILE, type ReplayMap } from './replay_program.ts';

/** @param mayBeCut areas may be in pieces. @returns for each reported area undefined when the model agrees, else what the model has there instead (null for nothing) */
export function compareAreas(cpu: Cpu, map: ReplayMap, reported: readonly ModelArea[], mayBeCut = false): (ModelArea | null | undefined)[] {
  return reported.map((area, index) => {
    const found = areaAt(cpu, map, area.start);
    if (found === null) return null;
    if (agrees(area, found)) return undefined;
    if (mayBeCut && isWithin(area, piecesAround(cpu, map, found))) return undefined;
    const later = reported.slice(index + 1);
    const mergedLater = later.some((other) => other.start <= area.start && area.end <= other.end && agrees(other, found));
    return mergedLater ? undefined : found;
  });
}

const agrees = (one: ModelArea, other: ModelArea): boolean =>
  one.start === other.start &&
  one.end === other.end &&
  one.prot === other.prot &&
  one.file === other.file &&
  (one.file === NO_FILE || one.pgoff === other.pgoff);

const isWithin = (one: ModelArea, other: ModelArea): boolean =>
  other.start <= one.start && one.end <= other.end && one.prot === other.prot && isSameFile(one, other);

const isSameFile = (one: ModelArea, other: ModelArea): boolean =>
  one.file === other.file && (one.file === NO_FILE || one.pgoff - one.start === other.pgoff - other.start);

/** The area together with those beside it that go on in the same way. */
function piecesAround(cpu: Cpu, map: ReplayMap, found: ModelArea): ModelArea {
  let whole = found;
  for (;;) {
    const before = whole.start > 0 ? areaAt(cpu, map, whole.start - 1) : null;
    const after = areaAt(cpu, map, whole.end);
    const joined = [before, after].find((piece) => piece !== null && piece.prot === whole.prot && isSameFile(piece, whole));
    if (joined === undefined || joined === null) return whole;
    const first = joined.start < whole.start ? joined : whole;
    whole = { ...whole, start: first.start, pgoff: first.pgoff, end: Math.max(whole.end, joined.end) };
  }
}

/** By the order of the trace nobody else changes the areas now, so no lock is needed to read one. */
function areaAt(cpu: Cpu, map: ReplayMap, page: number): ModelArea | null {
  const m = cpu.memory;
  rcu_read_lock(cpu);
  const vma = mas_walk(cpu, mmTree(m, cpu.mm), page as Vpn);
  const area =
    vma === NO_VMA
      ? null
      : {
          start: vm_start(m, vma),
          end: vm_end(m, vma),
          prot: protString(vm_flags(m, vma)),
          file: fileNumber(cpu, map, vm_file(m, vma)),
          pgoff: vm_pgoff(m, vma),
        };
  rcu_read_unlock(cpu);
  return area;
}

function fileNumber(cpu: Cpu, map: ReplayMap, mapping: number): number {
  if (mapping === NO_MAPPING) return NO_FILE;
  const first = fileAt(map, 0);
  return cpu.memory.user.subarray(first, first + map.files).indexOf(mapping);
}
