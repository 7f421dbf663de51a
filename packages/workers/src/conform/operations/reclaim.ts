/**
 * Operations that take memory away. They are read and checked; the model has no reclaim yet.
 * Next: userfault.ts
 */
import { notModelled, type OperationTable } from './operation_spec.ts';

export interface SqueezeOperation {
  readonly name: 'squeeze';
}

export type ReclaimOperation = SqueezeOperation;

export const RECLAIM_OPERATIONS: OperationTable<ReclaimOperation> = {
  squeeze: { usage: 'squeeze', setUp: true, read: () => ({ name: 'squeeze' }), run: () => notModelled('squeeze') },
};
