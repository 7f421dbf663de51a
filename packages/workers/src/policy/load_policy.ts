/**
 * From what a user gives as --policy to a policy: one of the named ones, or the record that a module of the user's exports.
 *
 *   export default { name: 'mine', summary: '...', vmaLock: 'refcount', ... };
 *   export default (named) => ({ ...named['linux-6.18'], name: 'mine', fileWait: 'hold' });
 *
 * A module with code in it is loaded in a thread of its own, for a limited time: whatever it does there, it cannot keep or end this process.
 * Next: policy_schema.ts
 */
import { stat } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import { UsageError } from '@faultlab/core/base/errors';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { POLICIES, policyByName } from '@faultlab/core/policy/policies';
import { firstLine, modulePolicy } from './module_policy.ts';
import type { PolicyModuleAnswer, PolicyModuleTask } from './policy_module_main.ts';
import { checkPolicy } from './policy_schema.ts';

/** A path, not a name: it has a slash, or the ending of a module. */
const isPath = (text: string): boolean => /[/\\]/.test(text) || /\.(?:[cm]?js|json)$/.test(text);

/**
 * The policy of that name, or the one that the module at that path exports.
 * @param pathOf where a path that the user typed is @param loadMs how long a module may take @throws UsageError for an unknown name, a module that cannot be loaded, or a record with a
 * missing, unknown or impossible field
 */
export async function loadPolicy(text: string, pathOf: (path: string) => string, loadMs: number = LOAD_MS): Promise<FaultPolicy> {
  if (!isPath(text)) return policyByName(text);
  const path = pathOf(text);
  const found = await stat(path).catch(() => undefined);
  if (found === undefined || !found.isFile()) {
    throw new UsageError(`There is no policy module ${text}; name a file, or one of ${POLICIES.map(({ name }) => name).join(', ')}.`);
  }
  if (path.endsWith('.json')) return await modulePolicy(text, path); // Nothing in it can run.
  const answer = await askModule({ text, path }, loadMs);
  if (typeof answer === 'object' && answer !== null && typeof (answer as { readonly refused?: unknown }).refused === 'string') {
    throw new UsageError((answer as { readonly refused: string }).refused);
  }
  return checkPolicy((answer as (PolicyModuleAnswer & { readonly policy?: unknown }) | null | undefined)?.policy, `The policy of ${text}`);
}

const MODULE = new URL('./policy_module_main.js', import.meta.url);
const LOAD_MS = 15_000;
const HEAP_MB = 128;

/** What the module's thread says; anything, if the module speaks in its place. @throws UsageError when the thread ends without a word, or too late */
function askModule(task: PolicyModuleTask, loadMs: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const refuse = (why: string): void =>
      reject(new UsageError(`The policy module ${task.text} cannot be loaded (${why}); correct it and try again.`));
    // Its output is nobody's: a command prints what it says it prints.
    const worker = new Worker(MODULE, {
      workerData: task,
      stdout: true,
      stderr: true,
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
    });
    worker.stdout.resume();
    worker.stderr.resume();
    const timer = setTimeout(() => end(() => refuse(`it is not ready after ${loadMs / 1000} seconds`)), loadMs);
    const end = (settle: () => void): void => {
      clearTimeout(timer);
      settle();
      void worker.terminate();
    };
    worker.once('message', (answer) => end(() => resolve(answer)));
    worker.once('error', (error) => end(() => refuse(firstLine(error))));
    worker.once('exit', (code) => end(() => refuse(`it ended its thread, with exit code ${code}`)));
  });
}
