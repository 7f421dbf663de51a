/**
 * The command: runs the benchmarks whose names contain one of the words given, all when none is given.
 *
 *   node dist/run.js [--smoke] [--list] [--json FILE] [NAME...]
 *
 * Facts about the machine come first; numbers of different machines are not compared.
 * Next: benchmarks.ts
 */
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import type { Benchmark, Row } from './benchmark.ts';
import { BENCHMARKS } from './benchmarks.ts';
import { factsLine, machineFacts } from './machine_facts.ts';

const USAGE = 'usage: bench [--smoke] [--list] [--json FILE] [NAME...]';

interface Result extends Row {
  readonly benchmark: string;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { smoke: { type: 'boolean', default: false }, list: { type: 'boolean', default: false }, json: { type: 'string' } },
  });
  const chosen = BENCHMARKS.filter(({ name }) => positionals.length === 0 || positionals.some((part) => name.includes(part)));
  const unknown = positionals.find((part) => !BENCHMARKS.some(({ name }) => name.includes(part)));
  if (unknown !== undefined) {
    console.error(`No benchmark has '${unknown}' in its name; --list shows all names.`);
    return 2;
  }
  if (values.list) {
    for (const { name, question } of chosen) console.log(`${name.padEnd(24)} ${question}`);
    return 0;
  }
  const facts = machineFacts();
  console.log(factsLine(facts));
  console.log(`More than ${availableParallelism()} threads share processors here: such rows are about waiting, not about scaling.`);
  if (values.smoke) console.log('Smoke form: everything runs, the numbers mean nothing.');
  const results: Result[] = [];
  for (const benchmark of chosen) results.push(...(await runOne(benchmark, values.smoke)));
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ facts, smoke: values.smoke, results }, null, 2)}\n`);
  if (!values.smoke) summarize(results);
  return 0;
}

async function runOne(benchmark: Benchmark, smoke: boolean): Promise<Result[]> {
  console.log(`\n${benchmark.name}: ${benchmark.question}`);
  const rows = await benchmark.run(smoke);
  for (const row of rows) console.log(`  ${textOf(row, smoke)}`);
  return rows.map((row) => ({ benchmark: benchmark.name, ...row }));
}

function textOf({ task, value, unit, p99, max, detail, target, met }: Row, smoke: boolean): string {
  const number = (n: number): string => (Math.abs(n) >= 1000 ? Math.round(n).toString() : n.toFixed(2));
  const tail = p99 === undefined ? '' : `  p99 ${number(p99)}  max ${number(max ?? p99)}`;
  const verdict = target === undefined ? '' : `  target ${target}${smoke ? '' : verdictOf(met)}`;
  return `${task.padEnd(52)} ${number(value).padStart(9)} ${unit.padEnd(6)}${tail}${verdict}${detail === undefined ? '' : `  (${detail})`}`;
}

function verdictOf(met: boolean | undefined): string {
  if (met === undefined) return ': not judged, the processors were busy with something else';
  return met ? ': met' : ': MISSED';
}

function summarize(results: readonly Result[]): void {
  const targets = results.filter((row) => row.target !== undefined && row.met !== undefined);
  if (targets.length === 0) return;
  const missed = targets.filter((row) => row.met !== true);
  console.log(
    `\n${targets.length - missed.length} of ${targets.length} targets met${missed.map((row) => `\n  missed: ${row.benchmark}: ${row.task}`).join('')}`,
  );
}

try {
  process.exitCode = await main();
} catch (error) {
  // parseArgs says what is wrong with an option.
  if (error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')) {
    console.error(`${error.message}\n${USAGE}`);
    process.exitCode = 2;
  } else {
    throw error;
  }
}
