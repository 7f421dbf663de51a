/**
 * The thread in which a policy module of the user's is loaded. It says one thing, and is ended then.
 * Next: load_policy.ts is the other side
 */
import { parentPort, workerData } from 'node:worker_threads';
import { UsageError } from '@faultlab/core/base/errors';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { firstLine, modulePolicy } from './module_policy.ts';

export interface PolicyModuleTask {
  /** As the user gave it, and where it is. */
  readonly text: string;
  readonly path: string;
}

export type PolicyModuleAnswer = { readonly policy: FaultPolicy } | { readonly refused: string };

async function answerFor({ text, path }: PolicyModuleTask): Promise<PolicyModuleAnswer> {
  try {
    return { policy: await modulePolicy(text, path) };
  } catch (error) {
    if (error instanceof UsageError) return { refused: error.message };
    return { refused: `The policy module ${text} cannot be loaded (${firstLine(error)}); correct it and try again.` };
  }
}

parentPort?.postMessage(await answerFor(workerData as PolicyModuleTask));
