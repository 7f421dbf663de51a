/**
 * docs/RESULTS.md, from the result files and nothing else: the same files give the same text.
 * Next: evidence.ts, questions.ts, published.ts
 */
import { UsageError } from '@faultlab/core/base/errors';
import * as v from 'valibot';
import type { ComparisonFile } from '../compare/comparison_file.ts';
import { Evidence, markdownTable, type ResultSet } from './evidence.ts';
import { publishedTables } from './published.ts';
import { type Answer, answersOf } from './questions.ts';
import type { ResultName } from './result_files.ts';

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const BRANCHES = v.strictObject({
  schema: v.literal(1),
  kind: v.literal('branches'),
  policies: v.array(
    v.strictObject({
      policy: v.string(),
      decisions: count,
      attempts: count,
      mmapAcquisitions: count,
      drops: count,
      outcomes: v.array(v.string()),
    }),
  ),
});

/** @param shown what the user calls the file @throws UsageError when it is no such file */
export function parseBranches(content: string, shown: string): ResultSet['branches'] {
  const refused = (why: string): UsageError =>
    new UsageError(
      `${shown} is not a count of branches that can be read: ${why}; make it with node scripts/collect_results.mjs --only branches.`,
    );
  let json: unknown;
  try {
    json = JSON.parse(content);
  } catch {
    throw refused('it is not JSON, or is cut off');
  }
  const parsed = v.safeParse(BRANCHES, json);
  if (!parsed.success) throw refused(`${v.getDotPath(parsed.issues[0]) ?? 'its content'} is wrong (${parsed.issues[0].message})`);
  return parsed.output.policies;
}

/** The command that measures the same again. */
function commandOf(set: ResultSet, name: ResultName | 'branches'): string {
  if (name === 'branches') return 'node scripts/collect_results.mjs --only branches';
  const { policies, scenarios, runs, seconds, cpus, seed } = set.comparisons[name].parameters;
  // A policy that only this page has is known to the script.
  if (name === 'dropping') return `node scripts/collect_results.mjs --only dropping --runs ${runs} --seconds ${seconds}`;
  return `faultlab compare --policies ${policies.join(',')} --scenario ${scenarios.join(',')} --runs ${runs} --seconds ${seconds} --cpus ${cpus} --seed ${seed}`;
}

function section(set: ResultSet, { question, answer, table, files, cannot }: Answer): string[] {
  return [
    `## ${question}`,
    '',
    answer,
    '',
    ...table,
    ...(table.at(-1) === '' ? [] : ['']),
    'Again:',
    '',
    ...files.map((name) => `    ${commandOf(set, name)}`),
    '',
    `What a model cannot tell: ${cannot}`,
    '',
  ];
}

function filesTable(comparisons: ResultSet['comparisons']): string[] {
  return markdownTable(
    ['file', 'cores, CPU, Node', 'load when it began', 'CPUs', 'runs', 'seconds each', 'trustworthy runs', 'others, cores'],
    (Object.entries(comparisons) as [ResultName, ComparisonFile][]).map(([name, { environment, parameters, scenarios }]) => {
      const runs = scenarios.flatMap(({ policies }) => policies.flatMap((each) => each.runs));
      const good = runs.filter(({ trustworthy }) => trustworthy).length;
      const others = runs.reduce((sum, { othersCores }) => sum + othersCores, 0) / Math.max(1, runs.length);
      return [
        `results/${name}.json`,
        `${environment.cores}, ${environment.cpuModel}, ${environment.node}`,
        environment.load.toFixed(2),
        String(parameters.cpus),
        String(parameters.runs),
        String(parameters.seconds),
        `${good} of ${runs.length}`,
        others.toFixed(2),
      ];
    }),
  );
}

function trustText(comparisons: ResultSet['comparisons']): string {
  const runs = Object.values(comparisons).flatMap(({ scenarios }) =>
    scenarios.flatMap(({ policies }) => policies.flatMap((each) => each.runs)),
  );
  const good = runs.filter(({ trustworthy }) => trustworthy).length;
  if (good === runs.length) return 'All runs had enough CPU.';
  const head = `${good} of ${runs.length} runs had enough CPU.${good === 0 ? '' : ' The others are not averaged in.'}`;
  const rest =
    'Where one side of a comparison has no such run, all its runs are averaged: then counts for a fault or a call can be read, and times and rates cannot.';
  return `${head} ${rest}`;
}

/** The whole page after its head. */
export function resultsPage(set: ResultSet): string {
  const evidence = new Evidence(set);
  return [
    '## What was measured, and on what',
    '',
    ...filesTable(set.comparisons),
    trustText(set.comparisons),
    '',
    ...answersOf(evidence).flatMap((answer) => section(set, answer)),
    '## The published figures',
    '',
    ...publishedTables(evidence),
  ].join('\n');
}
