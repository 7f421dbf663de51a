/**
 * A page-table entry in 32 bits: flags below, frame number above. The hardware's bits mean what they mean on x86; their places differ.
 * @kernel arch/x86/include/asm/pgtable_types.h
 * @fidelity reduced: 32 bits, no protection keys, no soft-dirty; positions are ours
 * Next: mm/page_table.ts
 */
import type { Pfn, Pte } from '../base/brand.ts';

export const PTE_PRESENT = 0x1;
export const PTE_RW = 0x2;
/** Accessed: set by the hardware walk. */
export const PTE_YOUNG = 0x4;
/** Set by the hardware at the first write. */
export const PTE_DIRTY = 0x8;
/** Not counted by rmap: the zero page. @kernel _PAGE_SPECIAL */
export const PTE_SPECIAL = 0x10;
export const PTE_UFFD_WP = 0x20;
/** Present for the kernel, not for the hardware: PROT_NONE. */
export const PTE_PROTNONE = 0x40;
const PFN_SHIFT = 10;

export const PTE_NONE: Pte = 0 as Pte;

export const pte_none = (pte: Pte): boolean => pte === PTE_NONE;
/** Mapped, as the kernel sees it: PROT_NONE counts. */
export const pte_present = (pte: Pte): boolean => (pte & (PTE_PRESENT | PTE_PROTNONE)) !== 0;
/** What the hardware walk accepts. */
export const pteHardwarePresent = (pte: Pte): boolean => (pte & PTE_PRESENT) !== 0;
export const pte_protnone = (pte: Pte): boolean => (pte & (PTE_PRESENT | PTE_PROTNONE)) === PTE_PROTNONE;
export const pte_write = (pte: Pte): boolean => (pte & PTE_RW) !== 0;
export const pte_dirty = (pte: Pte): boolean => (pte & PTE_DIRTY) !== 0;
export const pte_special = (pte: Pte): boolean => (pte & PTE_SPECIAL) !== 0;
export const pte_pfn = (pte: Pte): Pfn => (pte >>> PFN_SHIFT) as Pfn;

/** Write-protected on behalf of a userfaultfd handler. */
export const pte_uffd_wp = (pte: Pte): boolean => (pte & PTE_UFFD_WP) !== 0;
/** Takes the right to write away, too. */
export const pte_mkuffd_wp = (pte: Pte): Pte => ((pte | PTE_UFFD_WP) & ~PTE_RW) as Pte;
export const pte_clear_uffd_wp = (pte: Pte): Pte => (pte & ~PTE_UFFD_WP) as Pte;

export const pte_mkwrite = (pte: Pte): Pte => (pte | PTE_RW) as Pte;
export const pte_wrprotect = (pte: Pte): Pte => (pte & ~PTE_RW) as Pte;
export const pte_mkold = (pte: Pte): Pte => (pte & ~PTE_YOUNG) as Pte;
export const pte_mkclean = (pte: Pte): Pte => (pte & ~PTE_DIRTY) as Pte;

/** Protection bits for an area: present unless no access at all is allowed. Writable is added by the fault, not here. */
export const protectionBits = (accessible: boolean): number => (accessible ? PTE_PRESENT : PTE_PROTNONE);

/** @kernel pfn_pte(), mk_pte() */
export const mk_pte = (pfn: Pfn, bits: number): Pte => ((pfn << PFN_SHIFT) | bits) as Pte;

/** Replaces only the protection; frame, dirty and young stay. @kernel pte_modify() */
export const pte_modify = (pte: Pte, bits: number): Pte => ((pte & ~(PTE_PRESENT | PTE_PROTNONE | PTE_RW)) | bits) as Pte;
