/**
 * The named entries. x86 is the one that the recorded behaviour comes from; the others say only what differs.
 * Next: policy/arch_entry.ts explains each field
 */
import { UsageError } from '../base/errors.ts';
import type { ArchEntry } from './arch_entry.ts';

const X86: ArchEntry = {
  name: 'x86',
  summary: 'the reference; an error code tells reads of present pages, which are denied at once',
  source: 'arch/x86/mm/fault.c do_user_addr_fault()',
  vmaLockSince: '6.4',
  triedAfterVmaMajorSince: '5.4',
  readNeeds: 'any',
  presentReadDenied: true,
  releasesVmaLockOnDenial: false,
  signalInKernelMode: 'fixup',
  errorBeforeRetry: false,
  localMajor: false,
  afterCompleted: 'return',
  findsAndExpandsUntil: 'never',
  gmapUntil: 'never',
  gmapRetakesLock: true,
  nowaitPseudoFaults: false,
  exactResultSwitch: false,
  copro: false,
};

/** The access test is a mask on the area's flags, and the entry releases the VMA lock of a denied access itself. */
const ARM64: ArchEntry = {
  ...X86,
  name: 'arm64',
  summary: 'the access test is a mask on the flags of the area; the entry releases the VMA lock of a denied access itself',
  source: 'arch/arm64/mm/fault.c do_page_fault()',
  presentReadDenied: false,
  readNeeds: 'read',
  releasesVmaLockOnDenial: true,
};

const ARM: ArchEntry = {
  ...ARM64,
  name: 'arm',
  summary: 'VMA locks since 6.7; set TRIED after a VMA-lock RETRY with MAJOR only since 6.8',
  source: 'arch/arm/mm/fault.c do_page_fault()',
  vmaLockSince: '6.7',
  triedAfterVmaMajorSince: '6.8',
  readNeeds: 'any',
};

const POWERPC: ArchEntry = {
  ...X86,
  name: 'powerpc',
  summary:
    'adds up MAJOR for an accounting of its own, returns the code of a bus error for a signal in kernel mode; coprocessors fault too',
  source: 'arch/powerpc/mm/fault.c ___do_page_fault(), arch/powerpc/mm/copro_fault.c',
  presentReadDenied: false,
  signalInKernelMode: 'sigbus',
  localMajor: true,
  afterCompleted: 'accounting',
  copro: true,
};

const RISCV: ArchEntry = {
  ...X86,
  name: 'riscv',
  summary: 'as x86; VMA locks since 6.6; a right to write is one to read',
  source: 'arch/riscv/mm/fault.c handle_page_fault()',
  vmaLockSince: '6.6',
  presentReadDenied: false,
  readNeeds: 'read-write',
};

const LOONGARCH: ArchEntry = {
  ...RISCV,
  name: 'loongarch',
  summary: 'as riscv; VMA locks since 6.18',
  source: 'arch/loongarch/mm/fault.c __do_page_fault()',
  vmaLockSince: '6.18',
};

const S390: ArchEntry = {
  ...X86,
  name: 's390',
  summary: 'tests ERROR before RETRY; until 6.12 takes mmap_lock itself, grows stacks with expand_stack() and serves the faults of guests',
  source: 'arch/s390/mm/fault.c do_exception()',
  presentReadDenied: false,
  errorBeforeRetry: true,
  afterCompleted: 'gmap',
  findsAndExpandsUntil: '6.12',
  gmapUntil: '6.12',
  nowaitPseudoFaults: true,
};

const SPARC32: ArchEntry = {
  ...X86,
  name: 'sparc32',
  summary: 'never tries the VMA lock; the entry for register windows compares the whole result with two values',
  source: 'arch/sparc/mm/fault_32.c do_sparc_fault(), force_user_fault()',
  vmaLockSince: 'never',
  presentReadDenied: false,
  readNeeds: 'read-exec',
  exactResultSwitch: true,
};

export const ARCH_ENTRIES: readonly ArchEntry[] = [X86, ARM64, ARM, POWERPC, RISCV, LOONGARCH, S390, SPARC32];

/** @throws UsageError naming the known architectures */
export function archByName(name: string): ArchEntry {
  const found = ARCH_ENTRIES.find((arch) => arch.name === name);
  if (found === undefined) {
    throw new UsageError(`There is no architecture "${name}"; choose one of ${ARCH_ENTRIES.map((arch) => arch.name).join(', ')}.`);
  }
  return found;
}
