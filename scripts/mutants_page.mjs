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
/** Longer words are only in the JSON. */
const WORD_SHOWN = 160;
const START = '<!-- tables: made by scripts/mutants_page.mjs -->';

const built = (path) => import(pathToFileURL(join(root, path)).href);
const { MUTANTS, UNMODELLED } = await built('packages/core/bundle/mutants/catalogue.js');
const { caughtByOneAlone, secondsText, verdictLine } = await built('packages/workers/bundle/mutants/matrix_report.js');
const result = JSON.parse(readFileSync(join(root, 'docs/mutants.json'), 'utf8'));

const row = (cells) => `| ${cells.join(' | ')} |`;
const table = (header, rows) => [row(header), row(header.map(() => '---')), ...rows.map(row), ''];

/** "5 of 5, I15, 12 schedules, 0.1 s" */
function cellText(cell) {
  if (cell === undefined) return '';
  const share = `${cell.caught} of ${cell.runs}`;
  const tried = cell.way.startsWith('lockstep') ? `${cell.schedules} schedules, ` : '';
  return cell.caught === 0 ? share : `${share}, ${cell.by.join(' ')}, ${tried}${secondsText(cell)} s`;
}

function matrix() {
  const rows = result.rows.map(({ mutant, title, difficulty, cells }) => [
    mutant,
    title,
    difficulty,
    ...result.ways.map((way) => cellText(cells.find((cell) => cell.way === way))),
  ]);
  return table(['mutant', 'what is wrong', 'difficulty', ...result.ways], rows);
}

const onlyOne = () =>
  caughtByOneAlone(result).flatMap(([engine, ids]) => [`Caught by \`${engine}\` alone: ${ids.join(', ') || 'none'}.`, '']);

function replays() {
  const found = result.rows.filter(({ replay }) => replay !== null);
  if (found.length === 0) return [];
  return [
    '## Exact replays',
    '',
    `${found.length} of ${result.rows.length} mutants have been caught by a schedule that a machine of its own repeats: the same operations in the same order, and the same rule broken at the same one. Of the schedules that did, the one with the fewest choices. The words are for the model as it was at the commit of this page.`,
    '',
    ...table(
      ['mutant', 'rule', 'found by', 'operations', 'choices', 'repeat it with'],
      found.map(({ mutant, replay: { by, way, steps, choices, again } }) => [
        mutant,
        by,
        way,
        steps,
        choices,
        again.length <= WORD_SHOWN ? `\`faultlab again ${again}\`` : `the word of ${again.length} characters in docs/mutants.json`,
      ]),
    ),
  ];
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
  const { parameters, environment, rightRuns, rightSchedules, elapsedSeconds } = result;
  const lockstep = result.ways.some((way) => way.startsWith('lockstep'));
  return [
    '## The kill matrix',
    '',
    `\`${verdictLine(result)}\``,
    '',
    `${parameters.seeds} seeds from ${parameters.seed}; at most ${lockstep ? `${parameters.schedules} schedules of a run in lock-step and ` : ''}${parameters.seconds} s of a run on free-running threads. The right model ran the same: ${rightRuns} runs${lockstep ? `, with ${rightSchedules} schedules in lock-step` : ''}. ${elapsedSeconds.toFixed(0)} s in all, on ${environment.cores ?? '?'} cores with Node ${environment.node ?? '?'}.`,
    '',
    'A cell says how many runs caught the mutant, each with a seed of its own, by which rule, and how many schedules and seconds it took them (the medians; on free-running threads from the start of the machine). Under `forced` and with `dfs` one run is all: it is the same each time. A cell that has caught nothing with two seeds is given up, and when the whole run is late, further seeds are left out: then it says fewer runs. An empty cell: there is no such hunt.',
    '',
    ...matrix(),
    ...onlyOne(),
    ...missed(),
    ...replays(),
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
