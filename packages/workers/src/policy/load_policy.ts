/**
 * From what a user gives as --policy to a policy: one of the named ones, or the record that a module of the user's exports.
 *
 *   export default { name: 'mine', summary: '...', vmaLock: 'refcount', ... };
 *   export default (named) => ({ ...named['linux-6.18'], name: 'mine', fileWait: 'hold' });
 *
 * Next: policy_schema.ts
 */
import { readFile, stat } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { inspect } from 'node:util';
import { UsageError } from '@faultlab/core/base/errors';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { POLICIES, policyByName } from '@faultlab/core/policy/policies';
import { checkPolicy } from './policy_schema.ts';

/** A path, not a name: it has a slash, or the ending of a module. */
const isPath = (text: string): boolean => /[/\\]/.test(text) || /\.(?:[cm]?js|json)$/.test(text);

/**
 * The policy of that name, or the one that the module at that path exports.
 * @param pathOf where a path that the user typed is @throws UsageError for an unknown name, a module that cannot be loaded, or a record with a
 * missing, unknown or impossible field
 */
export async function loadPolicy(text: string, pathOf: (path: string) => string): Promise<FaultPolicy> {
  if (!isPath(text)) return policyByName(text);
  const exported = await importDefault(text, pathOf(text));
  const record = typeof exported === 'function' ? callWithNamed(exported as (named: unknown) => unknown, text) : exported;
  try {
    return checkPolicy(record, `The policy of ${text}`);
  } catch (error) {
    // A record with code in it, such as a getter.
    if (error instanceof UsageError) throw error;
    throw new UsageError(`The policy of ${text} threw an error when it was read (${firstLine(error)}); export plain values.`);
  }
}

async function importDefault(text: string, path: string): Promise<unknown> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined || !found.isFile()) {
    throw new UsageError(`There is no policy module ${text}; name a file, or one of ${POLICIES.map(({ name }) => name).join(', ')}.`);
  }
  let loaded: { readonly default?: unknown };
  try {
    // Node warns when it imports JSON, so it is read here.
    loaded = path.endsWith('.json') ? { default: JSON.parse(await readFile(path, 'utf8')) } : await importInTime(path);
  } catch (error) {
    throw new UsageError(`The policy module ${text} cannot be loaded (${firstLine(error)}); correct it and try again.`);
  }
  if (loaded.default === undefined) {
    throw new UsageError(`The policy module ${text} has no default export; export a policy record, or a function that returns one.`);
  }
  return loaded.default;
}

const IMPORT_MS = 10_000;

/** A module may wait for something at its top level, and that may never come. */
async function importInTime(path: string): Promise<{ readonly default?: unknown }> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it is not ready after ${IMPORT_MS / 1000} seconds`)), IMPORT_MS);
  });
  try {
    return (await Promise.race([import(pathToFileURL(path).href), late])) as { readonly default?: unknown };
  } finally {
    clearTimeout(timer);
  }
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
const firstLine = (thrown: unknown): string =>
  (thrown instanceof Error ? String(thrown.message) : inspect(thrown)).split('\n')[0] as string;
