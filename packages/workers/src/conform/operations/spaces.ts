/**
 * Operations on whole address spaces: fork. The script reader makes sure that there is one child at most.
 * Next: files.ts
 */
import type { OperationTable } from './operation_spec.ts';

export interface ForkOperation {
  readonly name: 'fork';
}

export type SpaceOperation = ForkOperation;

export const SPACE_OPERATIONS: OperationTable<SpaceOperation> = {
  fork: {
    usage: 'fork',
    setUp: true,
    read: () => ({ name: 'fork' }),
    run: (machine) => machine.fork(),
  },
};
