/**
 * What the model did in one operation, in the words of the records: fault counts, layout, events.
 * Next: run_script.ts
 */
import { assert } from '@faultlab/core/base/assert';
import { type MmId, NO_TABLE, type Vpn } from '@faultlab/core/base/brand';
import type { Cpu } from '@faultlab/core/cpu';
import { X86_PF_INSTR, X86_PF_PROT, X86_PF_WRITE } from '@faultlab/core/fault/arch/error_code';
import { PC_MAJ_FLT, PC_MIN_FLT } from '@faultlab/core/memory/percpu';
import { mt_for_each } from '@faultlab/core/mm/maple_tree';
import { mmTree } from '@faultlab/core/mm/mm_struct';
import { TASK_SIZE_VPN } from '@faultlab/core/mm/mman';
import { findPteTable, pteWord } from '@faultlab/core/mm/page_table';
import { vm_end, vm_flags, vm_start } from '@faultlab/core/mm/vm_area_struct';
import { protString } from '@faultlab/core/mm/vm_flags';
import { readTrace, type TraceEntry } from '@faultlab/core/trace/trace_ring';
import { ARENA_PAGES } from './operations/words.ts';
import type { AreaSeen, Observation } from './record.ts';
import { ARENA_BASE } from './script_machine.ts';

/** Counts and events of a CPU from a moment on. Only one watch at a time: it empties the CPU's trace. */
export class Watch {
  readonly #cpu: Cpu;
  readonly #minflt: number;
  readonly #majflt: number;
  readonly #traced: number;

  /** Starts. */
  constructor(cpu: Cpu) {
    this.#cpu = cpu;
    this.#minflt = this.#count(PC_MIN_FLT);
    this.#majflt = this.#count(PC_MAJ_FLT);
    this.#traced = cpu.traceNext;
    cpu.memory.trace.fill(0);
  }

  /** What happened since the start, with the layout of an address space as it is now. */
  seen(result: string, mm: MmId): Observation {
    const { memory, id, traceNext } = this.#cpu;
    assert(traceNext - this.#traced <= memory.size.traceEntries, 'conform: one operation made more events than the trace holds');
    return {
      result,
      minflt: this.#count(PC_MIN_FLT) - this.#minflt,
      majflt: this.#count(PC_MAJ_FLT) - this.#majflt,
      vmas: layoutOf(this.#cpu, mm),
      events: readTrace(memory, id).flatMap((entry) => EVENT_TEXT[entry.name]?.(entry) ?? []),
    };
  }

  #count(word: number): number {
    return this.#cpu.words[this.#cpu.percpu + word] as number;
  }
}

/** The areas in order. The machine is idle, so no lock is needed. */
function layoutOf(cpu: Cpu, mm: MmId): AreaSeen[] {
  const m = cpu.memory;
  const areas: AreaSeen[] = [];
  mt_for_each(cpu, mmTree(m, mm), 0 as Vpn, TASK_SIZE_VPN as Vpn, (vma) => {
    const start = vm_start(m, vma);
    const end = vm_end(m, vma);
    areas.push({
      start: start - ARENA_BASE,
      end: end - ARENA_BASE,
      prot: protString(vm_flags(m, vma)),
      pgoff: 0,
      of: 'anon',
      pages: lettersOf(cpu, mm, start, end),
    });
  });
  return areas;
}

/** One letter a page. Every area is anonymous so far, and so is every page in it, the zero page included. */
function lettersOf(cpu: Cpu, mm: MmId, start: Vpn, end: Vpn): string {
  let letters = '';
  for (let page = start; page < end; page = (page + 1) as Vpn) {
    const table = findPteTable(cpu, mm, page);
    letters += table !== NO_TABLE && cpu.words[pteWord(cpu.memory, table, page)] !== 0 ? 'A' : '.';
  }
  return letters;
}

/** The trace points that records know, in their words. */
const EVENT_TEXT: Readonly<Record<string, (entry: TraceEntry) => string>> = {
  page_fault_user: faultText,
  page_fault_kernel: faultText,
  mmap_lock_start_locking: lockText,
  mmap_lock_acquire_returned: (entry) => `${lockText(entry)} ${entry.args['success'] === 1 ? 'ok' : 'fail'}`,
  mmap_lock_released: lockText,
};

function faultText({ name, args }: TraceEntry): string {
  const page = (args['vpn'] as number) - ARENA_BASE;
  const code = args['error_code'] as number;
  const access = (code & X86_PF_WRITE) !== 0 ? 'write' : (code & X86_PF_INSTR) !== 0 ? 'exec' : 'read';
  const where = page >= 0 && page < ARENA_PAGES ? page : 'outside';
  return `${name} page=${where} error=${access}${(code & X86_PF_PROT) !== 0 ? '+present' : ''}`;
}

function lockText({ name, args }: TraceEntry): string {
  return `${name} ${args['write'] === 1 ? 'write' : 'read'}`;
}
