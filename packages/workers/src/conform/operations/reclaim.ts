/**
 * Operations that take memory away.
 * Next: userfault.ts
 */
import { squeezeAll } from '@faultlab/core/reclaim/reclaim_pages';
import type { OperationTable } from './operation_spec.ts';

export interface SqueezeOperation {
  readonly name: 'squeeze';
}

export type ReclaimOperation = SqueezeOperation;

export const RECLAIM_OPERATIONS: OperationTable<ReclaimOperation> = {
  squeeze: {
    usage: 'squeeze',
    setUp: true,
    read: () => ({ name: 'squeeze' }),
    run({ cpu }) {
      squeezeAll(cpu);
      return 0;
    },
  },
};
