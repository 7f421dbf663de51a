/**
 * Reads the results in a folder and writes the report of them.
 * Next: page.ts
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { UsageError } from '@faultlab/core/base/errors';
import { readClaimsFile } from '../claims/claims_file.ts';
import { type ComparisonFile, parseComparison } from '../compare/comparison_file.ts';
import { readRunFile } from '../exports/run_file.ts';
import { writeFiles } from '../exports/write_exports.ts';
import { shownClaims } from './of_claims.ts';
import { shownComparison } from './of_comparison.ts';
import { shownRunFile } from './of_run.ts';
import { reportPage } from './page.ts';
import type { Fact, PageData, ShownClaims, ShownComparison, ShownRunFile } from './page_data.ts';
import { REPORT_FILE } from './report_file.ts';

const FILE_BYTES_MAX = 64 * 2 ** 20;

type Taken =
  | { readonly comparison: ShownComparison }
  | { readonly run: ShownRunFile }
  | { readonly claims: ShownClaims }
  | { readonly leftOut: Fact };

export interface WrittenReport {
  readonly bytes: number;
  readonly data: PageData;
}

/** @param shown what the user calls the folder @throws UsageError when there is no result in it, or it cannot be read or written */
export async function writeReport(folder: string, shown: string): Promise<WrittenReport> {
  const names = (await filesIn(folder, shown)).filter((name) => name.endsWith('.json')).sort();
  const taken: Taken[] = [];
  for (const name of names) taken.push(await takenOf(join(folder, name), name));
  const of = <Key extends string>(key: Key): readonly Extract<Taken, Readonly<Record<Key, unknown>>>[] =>
    taken.filter((each): each is Extract<Taken, Readonly<Record<Key, unknown>>> => key in each);
  const data: PageData = {
    title: `faultlab report: ${basename(folder)}`,
    comparisons: of('comparison').map(({ comparison }) => comparison),
    claims: of('claims').map(({ claims }) => claims),
    runs: of('run').map(({ run }) => run),
    leftOut: of('leftOut').map(({ leftOut }) => leftOut),
  };
  if (data.comparisons.length + data.claims.length + data.runs.length === 0) {
    throw new UsageError(
      `There is no result of faultlab compare --json, claims --json or stress --export in ${shown}${seenInstead(data.leftOut)}; name a folder with one.`,
    );
  }
  return { data, bytes: await writePage(folder, REPORT_FILE, data) };
}

/** The first file that was no result, and why, within a sentence. */
function seenInstead([first, ...others]: readonly Fact[]): string {
  if (first === undefined) return '';
  const more = others.length === 0 ? '' : `, and ${others.length} more`;
  return ` (${first.name}: ${first.value.replace(/\.$/, '')}${more})`.replace(/\p{Cc}/gu, ' ');
}

/** The report of one comparison. @throws UsageError when it cannot be written */
export async function writeComparisonReport(folder: string, name: string, comparison: ComparisonFile): Promise<number> {
  const shown = shownComparison(comparison, comparison.parameters.policies.join(', '));
  return writePage(folder, name, { title: 'faultlab compare', comparisons: [shown], claims: [], runs: [], leftOut: [] });
}

/** @returns its size */
async function writePage(folder: string, name: string, data: PageData): Promise<number> {
  const text = await reportPage(data);
  await writeFiles(folder, [{ name, text }]);
  return Buffer.byteLength(text);
}

async function filesIn(folder: string, shown: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    throw new UsageError(
      `The folder ${shown} cannot be read (${code}); name a folder with results of faultlab compare --json, claims --json or stress --export.`,
    );
  }
}

async function takenOf(path: string, name: string): Promise<Taken> {
  const out = (value: string): Taken => ({ leftOut: { name, value } });
  const found = await stat(path).catch(() => undefined);
  if (found?.isFile() !== true) return out('it is no file');
  if (found.size > FILE_BYTES_MAX) return out(`its ${found.size} bytes are more than a result ever has`);
  try {
    const content = await readFile(path, 'utf8');
    const kind = kindOf(content);
    if (kind === 'comparison') return { comparison: shownComparison(parseComparison(content, name), name) };
    if (kind === 'claims') return { claims: shownClaims(readClaimsFile(path), name) };
    if (kind === 'run') return runOf(content, name);
    return out(kind === undefined ? 'it is no JSON, or does not say its kind' : `it is of the kind ${JSON.stringify(kind)}`);
  } catch (error) {
    if (error instanceof UsageError) return out(error.message);
    return out(`it cannot be read (${(error as NodeJS.ErrnoException).code ?? (error as Error).message})`);
  }
}

function runOf(content: string, name: string): Taken {
  const read = readRunFile(content);
  return 'file' in read
    ? { run: shownRunFile(read.file, name) }
    : { leftOut: { name, value: `it is no run that can be read: ${read.problem}` } };
}

function kindOf(content: string): string | undefined {
  try {
    const { kind } = JSON.parse(content) as { readonly kind?: unknown };
    return typeof kind === 'string' ? kind.slice(0, 100) : undefined;
  } catch {
    return undefined;
  }
}
