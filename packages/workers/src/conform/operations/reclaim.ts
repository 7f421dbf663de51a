/**
 * Operations that take memory away.
 * Next: userfault.ts
 */
import { DROP_CACHES_PAGECACHE, DROP_CACHES_SLAB, drop_caches } from '@faultlab/core/reclaim/drop_caches';
import { squeezeAll } from '@faultlab/core/reclaim/reclaim_pages';
import type { OperationTable } from './operation_spec.ts';

export interface SqueezeOperation {
  readonly name: 'squeeze';
}

/** A write to vm.drop_caches. */
export interface DropCachesOperation {
  readonly name: 'drop_caches';
  readonly what: number;
}

export type ReclaimOperation = SqueezeOperation | DropCachesOperation;

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
  drop_caches: {
    usage: 'drop_caches WHAT',
    setUp: true,
    read: (words) => ({ name: 'drop_caches', what: words.number('WHAT', DROP_CACHES_PAGECACHE, DROP_CACHES_PAGECACHE | DROP_CACHES_SLAB) }),
    run({ cpu }, { what }) {
      drop_caches(cpu, what);
      return 0;
    },
  },
};
