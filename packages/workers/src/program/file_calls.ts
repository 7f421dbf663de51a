/**
 * The calls into the model that programs make on files, on plain numbers.
 * Next: execute_op.ts
 */
import type { MappingId } from '@faultlab/core/base/brand';
import type { Cpu } from '@faultlab/core/cpu';
import { freeFile } from '@faultlab/core/mm/address_space';
import { dropFilePages } from '@faultlab/core/mm/filemap';

/** Ends a file that nothing maps any more. */
export function closeFile(cpu: Cpu, file: MappingId): void {
  dropFilePages(cpu, file);
  freeFile(cpu, file);
}
