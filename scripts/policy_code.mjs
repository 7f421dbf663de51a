#!/usr/bin/env node
/**
 * Counts the code of a page fault under each policy: what can still be reached from the entry when the fields of the policy are known, as a compiler
 * that is given the record would find it. Writes packages/workers/src/claims/policy_code.ts; with --check it only says whether that file is up to date.
 * Needs a build: it reads the compiled modules, which have neither types nor comments.
 *
 *   node scripts/policy_code.mjs [--check]
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { codeUnder, readModules } from './lib/policy_code.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const target = join(root, 'packages/workers/src/claims/policy_code.ts');
const built = (path) => import(pathToFileURL(join(root, 'packages/core/bundle', path)).href);
const { POLICIES } = await built('policy/policies.js');
const { archByName } = await built('policy/arch_entries.js');
const { entryRules } = await built('policy/arch_entry.js');

const modules = readModules(join(root, 'packages/core/dist'));
const counted = POLICIES.map((policy) => {
  const { lines, branches, retries } = codeUnder(modules, policy, entryRules(archByName('x86'), policy));
  return `  { policy: '${policy.name}', lines: ${lines}, branches: ${branches}, retries: ${retries} },`;
});

const wanted = `/**
 * The code of a page fault of user code under each policy, in lines and branches of the compiled modules of core's fault/ and of the VMA lock, and the
 * places that end an attempt with RETRY. Made by scripts/policy_code.mjs.
 */
export interface PolicyCode {
  readonly policy: string;
  readonly lines: number;
  /** Decisions that the record of the policy leaves open. */
  readonly branches: number;
  readonly retries: number;
}

export const POLICY_CODE: readonly PolicyCode[] = [
${counted.join('\n')}
];
`;

if (!process.argv.includes('--check')) writeFileSync(target, wanted);
else if (readFileSync(target, 'utf8') !== wanted) {
  console.error('packages/workers/src/claims/policy_code.ts is not up to date; run node scripts/policy_code.mjs and commit the result.');
  process.exitCode = 1;
}
