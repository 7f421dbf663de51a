/**
 * The policy that a module of the user's exports, checked. What the module does on the way is its own affair: it may throw, loop, or end the
 * process, and therefore has a thread to do it in.
 * Next: policy_module_main.ts is that thread
 */
import { readFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { inspect } from 'node:util';
import { UsageError } from '@faultlab/core/base/errors';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { POLICIES } from '@faultlab/core/policy/policies';
import { checkPolicy } from './policy_schema.ts';

/** @param text the path as the user gave it, for sentences @throws UsageError for whatever is wrong with the module or its record */
export async function modulePolicy(text: string, path: string): Promise<FaultPolicy> {
  const exported = await importDefault(text, path);
  const record = typeof exported === 'function' ? await callWithNamed(exported as (named: unknown) => unknown, text) : exported;
  try {
    return checkPolicy(record, `The policy of ${text}`);
  } catch (error) {
    // A record with code in it, such as a getter.
    if (error instanceof UsageError) throw error;
    throw new UsageError(`The policy of ${text} threw an error when it was read (${firstLine(error)}); export plain values.`);
  }
}

async function importDefault(text: string, path: string): Promise<unknown> {
  let loaded: { readonly default?: unknown };
  try {
    // Node warns when it imports JSON, so it is read here.
    loaded = path.endsWith('.json') ? { default: JSON.parse(await readFile(path, 'utf8')) } : await import(pathToFileURL(path).href);
  } catch (error) {
    throw new UsageError(`The policy module ${text} cannot be loaded (${firstLine(error)}); correct it and try again.`);
  }
  if (loaded.default === undefined) {
    throw new UsageError(`The policy module ${text} has no default export; export a policy record, or a function that returns one.`);
  }
  return loaded.default;
}

function callWithNamed(make: (named: unknown) => unknown, text: string): unknown {
  try {
    return make(Object.fromEntries(POLICIES.map((policy) => [policy.name, policy])));
  } catch (error) {
    throw new UsageError(
      `The function that the policy module ${text} exports threw an error (${firstLine(error)}); correct it and try again.`,
    );
  }
}

/** Of whatever was thrown: anything can be. */
export const firstLine = (thrown: unknown): string =>
  (thrown instanceof Error ? String(thrown.message) : inspect(thrown)).split('\n')[0] as string;
