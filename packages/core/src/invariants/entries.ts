/**
 * I16, I18, I23, I25: every entry lies in an area that allows it, and leads to an allocated frame that belongs there; a private entry is writable
 * only if nobody else can see the frame.
 * Next: invariants/frames.ts
 */
import type { Pfn, Pte } from '../base/brand.ts';
import { NO_VMA } from '../base/brand.ts';
import {
  folio_index,
  folioFile,
  folioFlagsWord,
  folioGeneration,
  folioMapcountWord,
  folioMapping,
  PG_anon_exclusive,
  PG_device,
  PG_hwpoison,
  PG_uptodate,
  ZERO_PFN,
} from '../mm/folio.ts';
import { PTE_PRESENT, PTE_PROTNONE, pte_pfn, pte_present, pte_protnone, pte_special, pte_write, pteHardwarePresent } from '../mm/pte.ts';
import { linear_page_index, vm_file, vm_flags } from '../mm/vm_area_struct.ts';
import { protString, VM_ACCESS_FLAGS, VM_SHARED, VM_WRITE } from '../mm/vm_flags.ts';
import { sweepNonPresent } from './nonpresent_entries.ts';
import { type EntrySeen, entryName, type SweepState } from './sweep_state.ts';

export function sweepEntries(state: SweepState): void {
  for (const entry of state.entries) sweepEntry(state, entry);
}

function sweepEntry(state: SweepState, entry: EntrySeen): void {
  const { m } = state;
  const { pte, vma } = entry;
  if (vma === NO_VMA) {
    state.report('I23', `${entryName(entry)} lies in no area`);
    return;
  }
  if ((pte & (PTE_PRESENT | PTE_PROTNONE)) === (PTE_PRESENT | PTE_PROTNONE)) {
    state.report('I23', `${entryName(entry)} is present and without access at once`);
    return;
  }
  if (!pte_present(pte)) {
    sweepNonPresent(state, entry);
    return;
  }
  const flags = vm_flags(m, vma);
  const accessible = (flags & VM_ACCESS_FLAGS) !== 0 && !isNumaHint(state, pte);
  if (pteHardwarePresent(pte) !== accessible || (pte_write(pte) && (flags & VM_WRITE) === 0)) {
    state.report('I23', `${entryName(entry)} does not go with the protection ${protString(flags)} of area ${vma}`);
  }
  if (pte_special(pte)) sweepSpecial(state, entry);
  else sweepFrame(state, entry, pte_pfn(pte));
}

/** Without access although the area allows it: legal once somebody has asked for NUMA hints. */
const isNumaHint = (state: SweepState, pte: Pte): boolean => pte_protnone(pte) && !pte_write(pte) && !pte_special(pte) && state.numaHints;

/** The zero page: shared by all, so never writable. */
function sweepSpecial(state: SweepState, entry: EntrySeen): void {
  if (pte_pfn(entry.pte) !== ZERO_PFN) state.report('I16', `${entryName(entry)} is special, but leads to frame ${pte_pfn(entry.pte)}`);
  if (pte_write(entry.pte)) state.report('I25', `${entryName(entry)} makes the zero page writable`);
}

function sweepFrame(state: SweepState, entry: EntrySeen, pfn: Pfn): void {
  const { m } = state;
  if (pfn === ZERO_PFN || pfn >= m.size.frames || (folioGeneration(m, pfn) & 1) === 0) {
    state.report('I16', `${entryName(entry)} leads to frame ${pfn}, which is free`);
    return;
  }
  const flags = m.words[folioFlagsWord(m, pfn)] as number;
  if ((flags & PG_uptodate) === 0) state.report('I18', `${entryName(entry)} maps frame ${pfn}, which is not up to date`);
  if ((flags & (PG_device | PG_hwpoison)) !== 0) state.report('I32', `${entryName(entry)} maps frame ${pfn}, which no CPU may read`);
  const mapping = folioMapping(state.cpu, pfn);
  const shared = (vm_flags(m, entry.vma) & VM_SHARED) !== 0;
  if ((mapping & 1) === 0) sweepFileFrame(state, entry, pfn, mapping);
  if (!pte_write(entry.pte) || shared) return;
  const alone = (mapping & 1) !== 0 && (flags & PG_anon_exclusive) !== 0 && m.words[folioMapcountWord(m, pfn)] === 1;
  if (!alone) state.report('I25', `${entryName(entry)} is private and writable, but frame ${pfn} is not this page's alone`);
}

function sweepFileFrame(state: SweepState, entry: EntrySeen, pfn: Pfn, mapping: number): void {
  const { m } = state;
  const file = folioFile(mapping);
  const index = linear_page_index(m, entry.vma, entry.vpn);
  if (file !== 0 && file === vm_file(m, entry.vma) && folio_index(m, pfn) === index) return;
  const place = `page ${index} of file ${vm_file(m, entry.vma)}`;
  state.report('I16', `${entryName(entry)} should map ${place}, but frame ${pfn} is page ${folio_index(m, pfn)} of file ${file}`);
}
