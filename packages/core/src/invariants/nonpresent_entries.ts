/**
 * I23, I16, I18, I32: entries that are neither empty nor present. At rest none says that its page is being moved; what stands for a frame leads to
 * one that is what the entry says: memory of a device, anonymous memory that a device has for itself, a broken frame; a marker marks something.
 * Next: invariants/frames.ts
 */
import type { Pfn, Pte, SwpEntry } from '../base/brand.ts';
import { folioFlagsWord, folioGeneration, folioMapping, PG_anon_exclusive, PG_device, PG_hwpoison, ZERO_PFN } from '../mm/folio.ts';
import {
  is_device_exclusive_entry,
  is_device_private_entry,
  is_hwpoison_entry,
  is_migration_entry,
  is_pte_marker_entry,
  is_writable_device_private_entry,
  non_swap_entry,
  PTE_MARKER_GUARD,
  PTE_MARKER_POISONED,
  PTE_MARKER_UFFD_WP,
  pfn_swap_entry_to_page,
  pte_marker_get,
  pte_swp_clear_exclusive,
  pte_swp_clear_uffd_wp,
  pte_to_swp_entry,
  swp_entry_to_pte,
  swp_offset,
} from '../mm/swap_entry.ts';
import { type EntrySeen, entryName, type SweepState } from './sweep_state.ts';

const MARKERS = PTE_MARKER_UFFD_WP | PTE_MARKER_POISONED | PTE_MARKER_GUARD;

export function sweepNonPresent(state: SweepState, entry: EntrySeen): void {
  const swp = pte_to_swp_entry(entry.pte);
  if (!non_swap_entry(swp)) {
    // invariants/swap.ts follows it.
    if (!leadsToSwap(entry.pte)) state.report('I23', `${entryName(entry)} is neither empty nor present`);
  } else if (is_pte_marker_entry(swp)) sweepMarker(state, entry, swp);
  else if (is_migration_entry(swp))
    state.report('I32', `${entryName(entry)} says that frame ${pfn_swap_entry_to_page(swp)} is being moved`);
  else sweepFrameEntry(state, entry, swp, pfn_swap_entry_to_page(swp));
}

/** Of the form of a swap entry, and nothing besides. */
function leadsToSwap(pte: Pte): boolean {
  const swp = pte_to_swp_entry(pte);
  return swp_offset(swp) > 0 && pte_swp_clear_uffd_wp(pte_swp_clear_exclusive(pte)) === swp_entry_to_pte(swp);
}

function sweepMarker(state: SweepState, entry: EntrySeen, swp: SwpEntry): void {
  const marker = pte_marker_get(swp);
  if (marker === 0 || (marker & ~MARKERS) !== 0) state.report('I23', `${entryName(entry)} is a marker that marks nothing known: ${marker}`);
}

function sweepFrameEntry(state: SweepState, entry: EntrySeen, swp: SwpEntry, pfn: Pfn): void {
  const { m } = state;
  if (pfn === ZERO_PFN || pfn >= m.size.frames || (folioGeneration(m, pfn) & 1) === 0) {
    state.report('I16', `${entryName(entry)} stands for frame ${pfn}, which is free`);
    return;
  }
  const flags = m.words[folioFlagsWord(m, pfn)] as number;
  const anonymous = (folioMapping(state.cpu, pfn) & 1) !== 0;
  if (is_device_private_entry(swp) && !((flags & PG_device) !== 0 && anonymous))
    state.report('I32', `${entryName(entry)} says that frame ${pfn} is memory of a device, but its flags are ${flags}`);
  if (is_writable_device_private_entry(swp) && (flags & PG_anon_exclusive) === 0)
    state.report('I25', `${entryName(entry)} lets a device write to frame ${pfn}, which is not this page's alone`);
  if (is_device_exclusive_entry(swp) && !((flags & PG_device) === 0 && anonymous))
    state.report('I32', `${entryName(entry)} says that a device has frame ${pfn} for itself, but its flags are ${flags}`);
  if (is_hwpoison_entry(swp) && (flags & PG_hwpoison) === 0)
    state.report('I32', `${entryName(entry)} says that frame ${pfn} is broken, but it is not`);
}
