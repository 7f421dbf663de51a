/** How many sections per second pass through one spinlock. */
import { spin_lock, spin_unlock } from '@faultlab/core/locking/spinlock';
import { contend } from '../../lock_contender.ts';
import type { Work } from '../../work.ts';

export const spinlockWorks: readonly Work[] = [contend({ name: 'spinlock', lock: spin_lock, unlock: spin_unlock })];
