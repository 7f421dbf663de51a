/**
 * All benchmarks, in the order in which they run. To add one: a file that exports a Benchmark (or a function for latencyBenchmark), and
 * one line here.
 */
import { type Benchmark, latencyBenchmark } from './benchmark.ts';
import { addressSpaceChurn } from './macro/address_space_churn.ts';
import { machineBoot } from './macro/boot.ts';
import { deviceWait } from './macro/device_wait.ts';
import { faultAtomics } from './macro/fault_atomics.ts';
import { faultCost } from './macro/fault_cost.ts';
import { faultWait } from './macro/fault_wait.ts';
import { fileFaultCost } from './macro/file_fault_cost.ts';
import { checkCost, gateCost } from './macro/gate_cost.ts';
import { lruCost } from './macro/lru_cost.ts';
import { reclaimRate } from './macro/reclaim_rate.ts';
import { addAtomicLatency } from './micro/atomic/latency.ts';
import { atomicWorks } from './micro/atomic/throughput.ts';
import { addCompletionLatency } from './micro/completion/latency.ts';
import { completionWorks } from './micro/completion/throughput.ts';
import { folioBroadcast } from './micro/folio_lock/broadcast.ts';
import { addFolioLockLatency } from './micro/folio_lock/latency.ts';
import { folioLockWorks, memoryWithFolios } from './micro/folio_lock/throughput.ts';
import { lockstepCost } from './micro/lockstep/lockstep.ts';
import { addMapleTreeLatency } from './micro/maple_tree/latency.ts';
import { addMutexLatency } from './micro/mutex/latency.ts';
import { independentLocks, mutexWorks } from './micro/mutex/throughput.ts';
import { addParkLatency } from './micro/park/latency.ts';
import { parkWorks } from './micro/park/throughput.ts';
import { addRcuLatency } from './micro/rcu/latency.ts';
import { rcuWorks } from './micro/rcu/throughput.ts';
import { addRcuwaitLatency } from './micro/rcuwait/latency.ts';
import { rcuwaitWorks } from './micro/rcuwait/throughput.ts';
import { addRefcountLatency } from './micro/refcount/latency.ts';
import { refcountWorks } from './micro/refcount/throughput.ts';
import { rwsemFairness } from './micro/rwsem/fairness.ts';
import { addRwsemLatency } from './micro/rwsem/latency.ts';
import { nativePair } from './micro/rwsem/native_pair.ts';
import { rwsemWorks } from './micro/rwsem/throughput.ts';
import { addSeqcountLatency } from './micro/seqcount/latency.ts';
import { seqcountWorks } from './micro/seqcount/throughput.ts';
import { addSpinlockLatency } from './micro/spinlock/latency.ts';
import { spinlockWorks } from './micro/spinlock/throughput.ts';
import { addVmaLockLatency } from './micro/vma_lock/latency.ts';
import { memoryWithAreas, vmaLockWorks } from './micro/vma_lock/throughput.ts';
import { throughputBenchmark } from './work.ts';

const PAIR = 'what does an uncontended pair cost?';
const MANY = 'how many operations per second do several threads make?';
const TWO: readonly number[] = [2];

export const BENCHMARKS: readonly Benchmark[] = [
  nativePair,
  latencyBenchmark('atomic/latency', 'what does one operation of the funnel cost?', addAtomicLatency),
  throughputBenchmark('atomic/throughput', MANY, atomicWorks),
  latencyBenchmark('park/latency', 'what do notify and a park that does not sleep cost?', addParkLatency),
  throughputBenchmark('park/throughput', 'how many wake-ups per second pass between two threads?', parkWorks, TWO),
  latencyBenchmark('spinlock/latency', PAIR, addSpinlockLatency),
  throughputBenchmark('spinlock/throughput', MANY, spinlockWorks),
  latencyBenchmark('mutex/latency', PAIR, addMutexLatency),
  throughputBenchmark('mutex/throughput', MANY, mutexWorks),
  independentLocks,
  latencyBenchmark('rwsem/latency', PAIR, addRwsemLatency),
  throughputBenchmark('rwsem/throughput', MANY, rwsemWorks),
  rwsemFairness,
  latencyBenchmark('seqcount/latency', 'what does a section cost?', addSeqcountLatency),
  throughputBenchmark('seqcount/throughput', MANY, seqcountWorks),
  latencyBenchmark('refcount/latency', PAIR, addRefcountLatency),
  throughputBenchmark('refcount/throughput', MANY, refcountWorks),
  latencyBenchmark('rcuwait/latency', 'what do a wait and a wake-up cost that meet nobody?', addRcuwaitLatency),
  throughputBenchmark('rcuwait/throughput', 'how many hand-overs per second pass between two threads?', rcuwaitWorks, TWO),
  latencyBenchmark('completion/latency', PAIR, addCompletionLatency),
  throughputBenchmark('completion/throughput', 'how many hand-overs per second pass between two threads?', completionWorks, TWO),
  latencyBenchmark('rcu/latency', 'what do readers and callbacks cost?', addRcuLatency),
  throughputBenchmark('rcu/throughput', 'how many callbacks per second run while all threads read?', rcuWorks),
  latencyBenchmark('vma_lock/latency', 'what does the per-VMA lock cost when nobody else wants it?', addVmaLockLatency),
  throughputBenchmark('vma_lock/throughput', MANY, vmaLockWorks, [1, 2, 4], memoryWithAreas),
  latencyBenchmark('folio_lock/latency', PAIR, addFolioLockLatency),
  throughputBenchmark('folio_lock/throughput', MANY, folioLockWorks, [1, 2, 4], memoryWithFolios),
  folioBroadcast,
  latencyBenchmark('maple_tree/latency', 'what do a lookup and a store cost, by the number of areas?', addMapleTreeLatency),
  lockstepCost,
  gateCost,
  checkCost,
  faultCost,
  fileFaultCost,
  faultAtomics,
  faultWait,
  deviceWait,
  lruCost,
  reclaimRate,
  addressSpaceChurn,
  machineBoot,
];
