/** All kinds of fault, in the order of tables. */
import { ANONYMOUS_KINDS } from './anonymous.ts';
import type { FaultKind } from './fault_kind.ts';
import { FILE_KINDS } from './files.ts';
import { SHMEM_KINDS } from './shmem.ts';
import { SPECIAL_KINDS } from './special.ts';
import { SWAP_KINDS } from './swapped.ts';

export const FAULT_KINDS: readonly FaultKind[] = [...ANONYMOUS_KINDS, ...FILE_KINDS, ...SHMEM_KINDS, ...SWAP_KINDS, ...SPECIAL_KINDS];
