/** All works by name, for the threads. A benchmark that adds works adds its list here. */
import { churnWorks } from './macro/address_space_churn.ts';
import { atomicWorks } from './micro/atomic/throughput.ts';
import { completionWorks } from './micro/completion/throughput.ts';
import { folioBroadcastWorks } from './micro/folio_lock/broadcast.ts';
import { folioLockWorks } from './micro/folio_lock/throughput.ts';
import { mutexWorks } from './micro/mutex/throughput.ts';
import { parkWorks } from './micro/park/throughput.ts';
import { rcuWorks } from './micro/rcu/throughput.ts';
import { rcuwaitWorks } from './micro/rcuwait/throughput.ts';
import { refcountWorks } from './micro/refcount/throughput.ts';
import { fairnessWorks } from './micro/rwsem/fairness.ts';
import { pairWorks } from './micro/rwsem/native_pair.ts';
import { rwsemWorks } from './micro/rwsem/throughput.ts';
import { seqcountWorks } from './micro/seqcount/throughput.ts';
import { spinlockWorks } from './micro/spinlock/throughput.ts';
import { vmaLockWorks } from './micro/vma_lock/throughput.ts';
import type { Work } from './work.ts';

const WORKS: readonly Work[] = [
  ...atomicWorks,
  ...churnWorks,
  ...completionWorks,
  ...fairnessWorks,
  ...folioBroadcastWorks,
  ...folioLockWorks,
  ...mutexWorks,
  ...pairWorks,
  ...parkWorks,
  ...rcuWorks,
  ...rcuwaitWorks,
  ...refcountWorks,
  ...rwsemWorks,
  ...seqcountWorks,
  ...spinlockWorks,
  ...vmaLockWorks,
];

export function workNamed(name: string): Work {
  const found = WORKS.find((work) => work.name === name);
  if (found === undefined) throw new Error(`there is no work '${name}'; add it to works.ts`);
  return found;
}
