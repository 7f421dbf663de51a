#!/usr/bin/env node
/**
 * Writes docs/MUTANTS.md: what `faultlab mutants` found, from the result that it wrote (docs/mutants.json), and the catalogue with its drawings. With
 * --check it only says whether the page is up to date. Needs a build.
 *
 *   node packages/workers/bin/faultlab.mjs mutants --json docs/mutants.json && node scripts/mutants_page.mjs [--check]
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const page = join(root, 'docs/MUTANTS.md');
const START = '<!-- tables: made by scripts/mutants_page.mjs -->';

const built = (path) => import(pathToFileURL(join(root, path)).href);
const { MUTANTS, UNMODELLED } = await built('packages/core/bundle/mutants/catalogue.js');
const { secondsText, verdictLine } = await built('packages/workers/bundle/mutants/matrix_report.js');
const result = JSON.parse(readFileSync(join(root, 'docs/mutants.json'), 'utf8'));

const row = (cells) => `| ${cells.join(' | ')} |`;
const table = (header, rows) => [row(header), row(header.map(() => '---')), ...rows.map(row), ''];

/** "3 of 3, I15, 0.4 s" */
function cellText(cell) {
  if (cell === undefined) return '';
  const share = `${cell.caught} of ${cell.runs}`;
  const tried = cell.engine === 'lockstep' ? `${cell.schedules} schedules, ` : '';
  return cell.caught === 0 ? share : `${share}, ${cell.by.join(' ')}, ${tried}${secondsText(cell)} s`;
}

function matrix() {
  const { engines } = result.parameters;
  const rows = result.rows.map(({ mutant, title, difficulty, cells }) => [
    mutant,
    title,
    difficulty,
    ...engines.map((engine) => cellText(cells.find((cell) => cell.engine === engine))),
  ]);
  return table(['mutant', 'what is wrong', 'difficulty', ...engines], rows);
}

function onlyOne() {
  return result.parameters.engines.flatMap((engine) => {
    const catches = (name) => (entry) => entry.cells.some((cell) => cell.engine === name && cell.caught * 2 > cell.runs);
    const alone = result.rows.filter(
      (entry) => catches(engine)(entry) && !result.parameters.engines.some((other) => other !== engine && catches(other)(entry)),
    );
    return [`Caught by \`${engine}\` alone: ${alone.map(({ mutant }) => mutant).join(', ') || 'none'}.`, ''];
  });
}

function missed() {
  const entries = result.rows.filter(({ detected }) => !detected).map(({ mutant }) => mutant);
  return entries.length === 0 ? [] : [`Not caught: ${entries.join(', ')}.`, ''];
}

function entry({ id, title, trigger, breaks, source, difficulty, drawing }) {
  return [
    `### ${id}: ${title}`,
    '',
    trigger,
    '',
    '```text',
    drawing.replace(/^\n/, ''),
    '```',
    '',
    `Breaks: ${breaks.join(', ')}. From: ${source}. To find: ${difficulty}.`,
    '',
  ];
}

function text() {
  const { parameters, environment, rightRuns, elapsedSeconds } = result;
  return [
    '## The kill matrix',
    '',
    `\`${verdictLine(result)}\``,
    '',
    `Engines ${parameters.engines.join(', ')}; ${parameters.seeds} seeds from ${parameters.seed}; at most ${parameters.seconds} s for a run on free-running threads. The right model ran the same ${rightRuns} times. ${elapsedSeconds.toFixed(0)} s in all, on ${environment.cores ?? '?'} cores with Node ${environment.node ?? '?'}.`,
    '',
    'A cell says how many runs caught the mutant, by which rule, and how many seconds it took them from the start of the machine (the median). Under `forced` one run is all: it is the same each time.',
    '',
    ...matrix(),
    ...onlyOne(),
    ...missed(),
    '## Not in this model',
    '',
    ...table(
      ['bug', 'what is wrong', 'why it cannot be had here'],
      UNMODELLED.map(({ id, title, reason }) => [id, title, reason]),
    ),
    '## The catalogue',
    '',
    ...MUTANTS.flatMap(entry),
  ]
    .join('\n')
    .replace(/\n+$/, '\n');
}

const current = readFileSync(page, 'utf8');
const wanted = `${current.slice(0, current.indexOf(START) + START.length)}\n\n${text()}`;
if (!process.argv.includes('--check')) writeFileSync(page, wanted);
else if (current !== wanted) {
  console.error('docs/MUTANTS.md is not up to date; run node scripts/mutants_page.mjs and commit the result.');
  process.exitCode = 1;
}
