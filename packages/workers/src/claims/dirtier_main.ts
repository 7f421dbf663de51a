/** The thread that dirtier_thread.ts starts: one measurement, and its end. */
import { parentPort, workerData } from 'node:worker_threads';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { dirtied } from './dirtier.ts';

parentPort?.postMessage(dirtied(workerData as FaultPolicy));
