/**
 * What the hardware says about a fault. The bits are those of x86; another architecture's trap code says the same things in other words.
 * @kernel arch/x86/include/asm/trap_pf.h; arch/s390/mm/fault.c (the type of a fault, pfault_enabled)
 * @fidelity reduced: the bits that decide anything here
 * Next: fault/do_user_addr_fault.ts
 */

/** The page is present, but does not allow the access. */
export const X86_PF_PROT = 0x1;
export const X86_PF_WRITE = 0x2;
export const X86_PF_USER = 0x4;
export const X86_PF_INSTR = 0x10;
/** s390: a guest faulted, so the host's entry runs in kernel mode. Ours: the kernel reads it off the address-space control. */
export const PF_GUEST = 0x1000;
/** s390: the guest has asked to be told when a page is on the way, instead of waiting for it. Ours. @kernel gmap->pfault_enabled */
export const PF_GUEST_PFAULT = 0x2000;
