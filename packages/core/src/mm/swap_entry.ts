/**
 * What a page-table entry holds when it is neither empty nor present: a swap entry, which is a type and an offset. Most types are swap areas; the
 * last ones say that the page is being moved, lives in a device, is broken, or that there never was a page but a mark.
 *
 *   bit  0     1 2 3 4   5        6         7..10   11..30    31
 *        0     0 0 0 0   UFFD_WP  0         type    offset    0        type and offset as one number: SwpEntry = offset << 4 | type
 *
 * A page cache holds an entry too, where shmem has put a page in swap: with bit 31 set, so that it is no frame (xa_mk_value).
 * @kernel include/linux/swapops.h; include/linux/swap.h (SWP_* types); arch/x86/include/asm/pgtable_64.h
 * @fidelity reduced: 16 types, 20 bits of offset; no soft-dirty, no young and dirty bits in migration entries
 * Next: mm/swapfile.ts
 */
import type { Pfn, Pte, SwapId, SwpEntry } from '../base/brand.ts';
import { PTE_PRESENT, PTE_PROTNONE, PTE_UFFD_WP } from './pte.ts';

const TYPE_BITS = 4;
const TYPE_MASK = (1 << TYPE_BITS) - 1;
const PTE_SHIFT = 7;
export const SWP_OFFSET_MAX: number = (1 << 20) - 1;
/** The PTE that was swapped out was the only one: it may be made writable at once. @kernel SWP_EXCLUSIVE_MARKER, pte_swp_exclusive() */
const PTE_SWP_EXCLUSIVE = 0x2;

/** Types below this are swap areas. */
export const MAX_SWAPFILES = 8;
export const SWP_DEVICE_EXCLUSIVE = 8;
/** Memory of a device that the CPU cannot reach, mapped writable or not. */
export const SWP_DEVICE_WRITE = 9;
export const SWP_DEVICE_READ = 10;
export const SWP_MIGRATION_READ = 11;
export const SWP_MIGRATION_READ_EXCLUSIVE = 12;
export const SWP_MIGRATION_WRITE = 13;
export const SWP_HWPOISON = 14;
export const SWP_PTE_MARKER = 15;

/** Offsets of SWP_PTE_MARKER. */
export const PTE_MARKER_UFFD_WP = 1;
export const PTE_MARKER_POISONED = 2;
export const PTE_MARKER_GUARD = 4;

export const swp_entry = (type: number, offset: number): SwpEntry => ((offset << TYPE_BITS) | type) as SwpEntry;
export const swp_type = (entry: SwpEntry): number => entry & TYPE_MASK;
export const swp_offset = (entry: SwpEntry): number => entry >>> TYPE_BITS;
/** The swap area of an entry that is in one. */
export const swpSwap = (entry: SwpEntry): SwapId => swp_type(entry) as SwapId;

export const swp_entry_to_pte = (entry: SwpEntry): Pte => (entry << PTE_SHIFT) as Pte;
export const pte_to_swp_entry = (pte: Pte): SwpEntry => (pte >>> PTE_SHIFT) as SwpEntry;
/** Neither empty nor present: decode it with pte_to_swp_entry(). */
export const is_swap_pte = (pte: Pte): boolean => pte !== 0 && (pte & (PTE_PRESENT | PTE_PROTNONE)) === 0;

export const pte_swp_exclusive = (pte: Pte): boolean => (pte & PTE_SWP_EXCLUSIVE) !== 0;
export const pte_swp_mkexclusive = (pte: Pte): Pte => (pte | PTE_SWP_EXCLUSIVE) as Pte;
export const pte_swp_clear_exclusive = (pte: Pte): Pte => (pte & ~PTE_SWP_EXCLUSIVE) as Pte;
export const pte_swp_uffd_wp = (pte: Pte): boolean => (pte & PTE_UFFD_WP) !== 0;
export const pte_swp_mkuffd_wp = (pte: Pte): Pte => (pte | PTE_UFFD_WP) as Pte;
export const pte_swp_clear_uffd_wp = (pte: Pte): Pte => (pte & ~PTE_UFFD_WP) as Pte;

const pfnEntry = (type: number, pfn: Pfn): SwpEntry => swp_entry(type, pfn);
export const make_readable_migration_entry = (pfn: Pfn): SwpEntry => pfnEntry(SWP_MIGRATION_READ, pfn);
export const make_readable_exclusive_migration_entry = (pfn: Pfn): SwpEntry => pfnEntry(SWP_MIGRATION_READ_EXCLUSIVE, pfn);
export const make_writable_migration_entry = (pfn: Pfn): SwpEntry => pfnEntry(SWP_MIGRATION_WRITE, pfn);
export const make_readable_device_private_entry = (pfn: Pfn): SwpEntry => pfnEntry(SWP_DEVICE_READ, pfn);
export const make_writable_device_private_entry = (pfn: Pfn): SwpEntry => pfnEntry(SWP_DEVICE_WRITE, pfn);
export const make_device_exclusive_entry = (pfn: Pfn): SwpEntry => pfnEntry(SWP_DEVICE_EXCLUSIVE, pfn);
export const make_hwpoison_entry = (pfn: Pfn): SwpEntry => pfnEntry(SWP_HWPOISON, pfn);

/** Is the entry in no swap area? */
export const non_swap_entry = (entry: SwpEntry): boolean => swp_type(entry) >= MAX_SWAPFILES;
export const is_migration_entry = (entry: SwpEntry): boolean =>
  swp_type(entry) >= SWP_MIGRATION_READ && swp_type(entry) <= SWP_MIGRATION_WRITE;
export const is_readable_migration_entry = (entry: SwpEntry): boolean => swp_type(entry) === SWP_MIGRATION_READ;
export const is_writable_migration_entry = (entry: SwpEntry): boolean => swp_type(entry) === SWP_MIGRATION_WRITE;
export const is_readable_exclusive_migration_entry = (entry: SwpEntry): boolean => swp_type(entry) === SWP_MIGRATION_READ_EXCLUSIVE;
export const is_device_private_entry = (entry: SwpEntry): boolean =>
  swp_type(entry) === SWP_DEVICE_WRITE || swp_type(entry) === SWP_DEVICE_READ;
export const is_writable_device_private_entry = (entry: SwpEntry): boolean => swp_type(entry) === SWP_DEVICE_WRITE;
export const is_device_exclusive_entry = (entry: SwpEntry): boolean => swp_type(entry) === SWP_DEVICE_EXCLUSIVE;
export const is_hwpoison_entry = (entry: SwpEntry): boolean => swp_type(entry) === SWP_HWPOISON;
export const is_pte_marker_entry = (entry: SwpEntry): boolean => swp_type(entry) === SWP_PTE_MARKER;
export const is_pte_marker = (pte: Pte): boolean => is_swap_pte(pte) && is_pte_marker_entry(pte_to_swp_entry(pte));
export const pte_marker_get = (entry: SwpEntry): number => swp_offset(entry);
export const make_pte_marker = (marker: number): Pte => swp_entry_to_pte(swp_entry(SWP_PTE_MARKER, marker));
/** Does the entry stand for a frame (migration, device, poison)? */
export const is_pfn_swap_entry = (entry: SwpEntry): boolean => non_swap_entry(entry) && !is_pte_marker_entry(entry);
export const pfn_swap_entry_to_page = (entry: SwpEntry): Pfn => swp_offset(entry) as Pfn;

// --- entries of a page cache that are no folio -------------------------------------------------------------------------------------
const XA_VALUE = -0x80000000;
/** A number below 2^31 as an entry of an xarray that no frame number can be. @kernel xa_mk_value(), swp_to_radix_entry() */
export const xa_mk_value = (value: number): number => value | XA_VALUE;
export const xa_is_value = (entry: number): boolean => entry < 0;
export const xa_to_value = (entry: number): number => entry & ~XA_VALUE;
