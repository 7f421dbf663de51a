/**
 * Branded numbers: an address, a page number and a slot id are all numbers, and mixing them up must not compile.
 * Next: memory/shared_words.ts
 */
declare const brand: unique symbol;
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** Index of a 32-bit word in the arena. A lock is (memory, Word). */
export type Word = Brand<number, 'Word'>;
/** Virtual page number, 0 .. 2^31-1 (8 TiB of address space). */
export type Vpn = Brand<number, 'Vpn'>;
/** Page frame number; also the id of the folio that covers it (folios have one page here). 0 is the shared zero page. */
export type Pfn = Brand<number, 'Pfn'>;
/** Slot of a vm_area_struct; 0 is "no VMA". */
export type VmaId = Brand<number, 'VmaId'>;
/** Slot of an mm_struct; 0 is "no mm" (a kernel thread). */
export type MmId = Brand<number, 'MmId'>;
/** Number of a CPU, which is one thread and one task for its whole life. */
export type CpuId = Brand<number, 'CpuId'>;
/** Slot of a page-table page; 0 is "none". */
export type TableId = Brand<number, 'TableId'>;
/** Slot of an anon_vma; 0 is "none". */
export type AnonVmaId = Brand<number, 'AnonVmaId'>;
/** Slot of an anon_vma_chain link; 0 is "none". */
export type AvcId = Brand<number, 'AvcId'>;
/** Slot of an address_space (a file's pages); 0 is "none". */
export type MappingId = Brand<number, 'MappingId'>;
/** Slot of a tree node; 0 is "none". */
export type NodeId = Brand<number, 'NodeId'>;
/** Number of a swap area, from 0. */
export type SwapId = Brand<number, 'SwapId'>;
/** A swap entry: type and offset in one number, as it stands in a page-table entry or a page cache (mm/swap_entry.ts). 0 is "none". */
export type SwpEntry = Brand<number, 'SwpEntry'>;
/** Slot of a userfaultfd context; 0 is "none". */
export type UffdId = Brand<number, 'UffdId'>;
/** A page-table entry, 32 bits. */
export type Pte = Brand<number, 'Pte'>;

export const NO_VMA: VmaId = 0 as VmaId;
export const NO_MM: MmId = 0 as MmId;
export const NO_TABLE: TableId = 0 as TableId;
export const NO_ANON_VMA: AnonVmaId = 0 as AnonVmaId;
export const NO_AVC: AvcId = 0 as AvcId;
export const NO_MAPPING: MappingId = 0 as MappingId;
export const NO_NODE: NodeId = 0 as NodeId;
export const NO_SWAP_ENTRY: SwpEntry = 0 as SwpEntry;
export const NO_UFFD: UffdId = 0 as UffdId;
