/**
 * What the model did in one operation, in the words of the records: fault counts, layout, events.
 * Next: run_script.ts
 */
import { assert } from '@faultlab/core/base/assert';
import { type MmId, NO_MAPPING, NO_TABLE, type Pte, type VmaId, type Vpn } from '@faultlab/core/base/brand';
import type { Cpu } from '@faultlab/core/cpu';
import { X86_PF_INSTR, X86_PF_PROT, X86_PF_WRITE } from '@faultlab/core/fault/arch/error_code';
import { PC_MAJ_FLT, PC_MIN_FLT } from '@faultlab/core/memory/percpu';
import { folio_test_anon } from '@faultlab/core/mm/folio';
import { mt_for_each } from '@faultlab/core/mm/maple_tree';
import { mmTree } from '@faultlab/core/mm/mm_struct';
import { TASK_SIZE_VPN } from '@faultlab/core/mm/mman';
import { findPteTable, pteWord } from '@faultlab/core/mm/page_table';
import { pte_none, pte_pfn, pte_present, pte_special } from '@faultlab/core/mm/pte';
import { vm_end, vm_file, vm_flags, vm_pgoff, vm_start } from '@faultlab/core/mm/vm_area_struct';
import { protString } from '@faultlab/core/mm/vm_flags';
import { readTraceRange, type TraceEntry } from '@faultlab/core/trace/trace_ring';
import { ARENA_PAGES } from './operations/words.ts';
import type { AreaSeen, Observation } from './record.ts';
import { ARENA_BASE, type ScriptMachine } from './script_machine.ts';

/** Counts and events of a CPU from a moment on. Only one watch at a time: it empties the CPU's trace. */
export class Watch {
  readonly #machine: ScriptMachine;
  readonly #cpu: Cpu;
  readonly #minflt: number;
  readonly #majflt: number;
  readonly #traced: number;

  /** Starts. */
  constructor(machine: ScriptMachine) {
    const { cpu } = machine;
    this.#machine = machine;
    this.#cpu = cpu;
    this.#minflt = this.#count(PC_MIN_FLT);
    this.#majflt = this.#count(PC_MAJ_FLT);
    this.#traced = cpu.traceNext;
    machine.userfaults.forget();
  }

  /** What happened since the start, with the layout of an address space as it is now. */
  seen(result: string, mm: MmId): Observation {
    const { memory, id, traceNext } = this.#cpu;
    assert(traceNext - this.#traced <= memory.size.traceEntries, 'conform: one operation made more events than the trace holds');
    return {
      result,
      minflt: this.#count(PC_MIN_FLT) - this.#minflt,
      majflt: this.#count(PC_MAJ_FLT) - this.#majflt,
      vmas: layoutOf(this.#machine, mm),
      events: this.#machine.userfaults.merge(readTraceRange(memory, id, this.#traced, traceNext)).flatMap(eventText),
    };
  }

  #count(word: number): number {
    return this.#cpu.words[this.#cpu.percpu + word] as number;
  }
}

/** The areas in order. The machine is idle, so no lock is needed. */
function layoutOf(machine: ScriptMachine, mm: MmId): AreaSeen[] {
  const { cpu } = machine;
  const m = cpu.memory;
  const areas: AreaSeen[] = [];
  mt_for_each(cpu, mmTree(m, mm), 0 as Vpn, TASK_SIZE_VPN as Vpn, (vma) => {
    const start = vm_start(m, vma);
    const end = vm_end(m, vma);
    areas.push({
      start: start - ARENA_BASE,
      end: end - ARENA_BASE,
      prot: protString(vm_flags(m, vma)),
      ...backing(machine, vma),
      pages: lettersOf(cpu, mm, start, end),
    });
  });
  return areas;
}

/** What is behind an area. A file without a name is shared anonymous memory. */
function backing(machine: ScriptMachine, vma: VmaId): { readonly pgoff: number; readonly of: string } {
  const m = machine.cpu.memory;
  const file = vm_file(m, vma);
  if (file === NO_MAPPING) return { pgoff: 0, of: 'anon' };
  return { pgoff: vm_pgoff(m, vma), of: machine.nameOf(file) ?? 'shmem' };
}

/** One letter a page. */
function lettersOf(cpu: Cpu, mm: MmId, start: Vpn, end: Vpn): string {
  let letters = '';
  for (let page = start; page < end; page = (page + 1) as Vpn) {
    const table = findPteTable(cpu, mm, page);
    letters += table === NO_TABLE ? '.' : letterOf(cpu, cpu.words[pteWord(cpu.memory, table, page)] as Pte);
  }
  return letters;
}

/** As the kernel's pagemap file tells them: everything that is neither empty nor present counts as swap, and the zero page as anonymous. */
function letterOf(cpu: Cpu, pte: Pte): string {
  if (pte_none(pte)) return '.';
  if (!pte_present(pte)) return 'S';
  return pte_special(pte) || folio_test_anon(cpu, pte_pfn(pte)) ? 'A' : 'F';
}

/** The trace points that records know, in their words. */
const EVENT_TEXT: Readonly<Record<string, (entry: TraceEntry) => string>> = {
  page_fault_user: faultText,
  page_fault_kernel: faultText,
  mmap_lock_start_locking: lockText,
  mmap_lock_acquire_returned: (entry) => `${lockText(entry)} ${entry.args['success'] === 1 ? 'ok' : 'fail'}`,
  mmap_lock_released: lockText,
  mm_filemap_fault: ({ name, args }) => `${name} index=${args['index']}`,
  mm_filemap_map_pages: ({ name, args }) => `${name} index=${args['start']}-${args['end']}`,
  mm_filemap_add_to_page_cache: cacheText,
  mm_filemap_delete_from_page_cache: cacheText,
  block_bio_queue: ({ name, args }) => `${name} ${args['write'] === 1 ? 'write' : 'read'}`,
  sleep: ({ name, args }) => `${name} ${args['interruptible'] === 0 ? 'D' : 'S'}`,
};

/** No word, or one; the helper's are marked. */
function eventText({ entry, helper }: { readonly entry: TraceEntry; readonly helper: boolean }): string[] {
  const text = EVENT_TEXT[entry.name]?.(entry);
  if (text === undefined) return [];
  return [helper ? `helper:${text}` : text];
}

function faultText({ name, args }: TraceEntry): string {
  const page = (args['vpn'] as number) - ARENA_BASE;
  const code = args['error_code'] as number;
  const access = (code & X86_PF_WRITE) !== 0 ? 'write' : (code & X86_PF_INSTR) !== 0 ? 'exec' : 'read';
  const where = page >= 0 && page < ARENA_PAGES ? page : 'outside';
  return `${name} page=${where} error=${access}${(code & X86_PF_PROT) !== 0 ? '+present' : ''}`;
}

function cacheText({ name, args }: TraceEntry): string {
  return `${name} index=${args['index']} order=0`;
}

function lockText({ name, args }: TraceEntry): string {
  return `${name} ${args['write'] === 1 ? 'write' : 'read'}`;
}
