/** The locks of the library under one face, for tests that treat them alike. */
import type { Word } from '@faultlab/core/base/brand';
import type { Cpu } from '@faultlab/core/cpu';
import { busted_lock, busted_unlock } from '@faultlab/core/locking/busted_lock';
import { mutex_lock, mutex_unlock } from '@faultlab/core/locking/mutex';
import { down_read, down_write, downgrade_write, up_read, up_write } from '@faultlab/core/locking/rwsem';
import { spin_lock, spin_unlock } from '@faultlab/core/locking/spinlock';

type Act = (cpu: Cpu, lock: Word) => void;

export interface LockKind {
  readonly write: Act;
  readonly unwrite: Act;
  /** Locks that many readers hold at once. */
  readonly shared?: { readonly read: Act; readonly unread: Act; readonly downgrade: Act };
}

export type LockName = 'rwsem' | 'mutex' | 'spinlock' | 'busted_lock';

export const LOCK_KINDS: Readonly<Record<LockName, LockKind>> = {
  rwsem: {
    write: (cpu, lock) => down_write(cpu, lock),
    unwrite: up_write,
    shared: { read: (cpu, lock) => down_read(cpu, lock), unread: up_read, downgrade: downgrade_write },
  },
  mutex: { write: (cpu, lock) => mutex_lock(cpu, lock), unwrite: mutex_unlock },
  spinlock: { write: spin_lock, unwrite: spin_unlock },
  busted_lock: { write: busted_lock, unwrite: busted_unlock },
};
