/**
 * What a policy record must look like, field by field: one schema for the check, the error messages and the list of fields.
 * Next: load_policy.ts
 */
import { UsageError } from '@faultlab/core/base/errors';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { POLICIES } from '@faultlab/core/policy/policies';
import { RELEASES } from '@faultlab/core/policy/releases';
import * as v from 'valibot';

const WAITS = ['retry', 'retry-vma', 'hold', 'reacquire'] as const;
/** A name goes into verdict lines and commands, so it is one word. */
const NAME = /^[a-z0-9][a-z0-9._-]{0,59}$/;

/** A record, without the rule that its name is a new one. */
export const POLICY_RECORD: v.GenericSchema<FaultPolicy> = v.strictObject({
  name: v.pipe(v.string(), v.regex(NAME, 'must be one word of small letters, digits, dots and dashes, such as "my-proposal"')),
  summary: v.pipe(v.string(), v.nonEmpty('must be a sentence that says what the policy stands for')),
  release: v.picklist(RELEASES),
  vmaLock: v.picklist(['none', 'rwsem', 'refcount']),
  vmaLockSwap: v.boolean(),
  vmaLockUserfault: v.boolean(),
  vmaLockFile: v.picklist(['no', 'map-pages', 'yes']),
  anonVmaUnderVmaLock: v.boolean(),
  retries: v.picklist(['one', 'many']),
  completed: v.boolean(),
  accounting: v.picklist(['every-attempt', 'finished']),
  triedAfterMajor: v.boolean(),
  fileWait: v.picklist(WAITS),
  anonWait: v.picklist(WAITS),
  uptodateRule: v.picklist(['none', 'uptodate', 'uptodate-not-writeback']),
  otherRetries: v.picklist(['mmap', 'vma']),
}) as v.GenericSchema<FaultPolicy>;

/** Checks a record that a user wrote. @param where what the record is called in a message @throws UsageError for the first thing that is wrong */
export function checkPolicy(record: unknown, where: string): FaultPolicy {
  const result = v.safeParse(POLICY_RECORD, record);
  if (!result.success) throw new UsageError(`${where} ${complaint(result.issues[0])}.`);
  if (POLICIES.some(({ name }) => name === result.output.name)) {
    throw new UsageError(`${where} has the name "${result.output.name}", which a policy of this laboratory has; give yours another one.`);
  }
  return result.output;
}

/** The end of a sentence that begins with what the record is called. */
function complaint(issue: v.BaseIssue<unknown>): string {
  const field = v.getDotPath(issue);
  if (field === null) return 'is no policy; it must be an object with the fields of FaultPolicy';
  if (issue.expected === 'never') return `has the field "${field}", which no policy has; the fields are ${FIELDS.join(', ')}`;
  if (issue.input === undefined) return `lacks the field "${field}"; it must be ${expectedOf(issue)}`;
  if (issue.kind === 'validation') return `has the field "${field}", which is ${JSON.stringify(issue.input)}, but it ${issue.message}`;
  return `has the field "${field}", which is ${shown(issue.input)}, but it must be ${expectedOf(issue)}`;
}

/** `("a" | "b")` as a list of words. */
function expectedOf({ expected }: v.BaseIssue<unknown>): string {
  if (expected === null || expected === '"undefined"') return 'there';
  if (expected === 'boolean') return 'true or false';
  if (expected === 'string') return 'a text';
  const options = expected.replace(/^\(|\)$/g, '').split(' | ');
  return options.length === 1 ? wanted(options[0] as string) : `one of ${options.join(', ')}`;
}

/** A missing field is known by its name only: say what it may be. */
const wanted = (key: string): string => {
  const entries = (POLICY_RECORD as unknown as { entries: Record<string, { expects: string | null; type: string }> }).entries;
  const entry = entries[key.replaceAll('"', '')];
  if (entry === undefined) return key;
  if (entry.type === 'boolean') return 'true or false';
  return entry.type === 'string' ? 'a text' : `one of ${(entry.expects ?? '').replace(/^\(|\)$/g, '').replaceAll(' | ', ', ')}`;
};

const shown = (value: unknown): string => {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' || value === null) return JSON.stringify(value);
  return Array.isArray(value) ? 'a list' : `a ${typeof value}`;
};

/** The names of all fields, in the order of FaultPolicy. */
export const FIELDS: readonly string[] = Object.keys(POLICIES[0] as FaultPolicy);
