/** The kill matrix as lines of text. The last one is the verdict. */
import { textTable } from '../report/text_table.ts';
import type { Cell, KillMatrix } from './kill_matrix.ts';

export function matrixReport(matrix: KillMatrix): string[] {
  const { rows, falseAlarms, rightRuns, elapsedSeconds, interrupted } = matrix;
  const table = textTable(
    ['mutant', 'difficulty', 'engine', 'runs', 'caught', 'by', 'schedules', 'seconds'],
    rows.flatMap(({ mutant, difficulty, cells }) =>
      cells.length === 0
        ? [[mutant, difficulty, 'none', '0', '0', '', '', '']]
        : cells.map((cell) => [
            mutant,
            difficulty,
            cell.engine,
            String(cell.runs),
            String(cell.caught),
            cell.by.join(' '),
            String(cell.schedules ?? ''),
            secondsText(cell),
          ]),
    ),
    ['left', 'left', 'left', 'right', 'right', 'left', 'right', 'right'],
  );
  return [
    ...table,
    '',
    `The right model: ${rightRuns} runs of the same, ${falseAlarms.length} alarms. ${elapsedSeconds.toFixed(0)} s in all.`,
    ...falseAlarms.map(
      ({ engine, what, seed, caught }) => `false alarm: ${engine} ${what} seed ${seed}: ${caught.by}: ${firstLine(caught.message)}`,
    ),
    ...rows.filter(({ detected }) => !detected).map(({ mutant, title }) => `missed: ${mutant}, ${title}`),
    ...(interrupted ? ['Interrupted: what was not reached is not counted.'] : []),
    verdictLine(matrix),
  ];
}

export const secondsText = ({ seconds }: Cell): string => (seconds === undefined ? '' : seconds.toFixed(seconds < 1 ? 3 : 1));

const firstLine = (text: string): string => text.split('\n')[0] as string;

export function verdictLine({ rows, falseAlarms }: KillMatrix): string {
  return `mutants: ${rows.filter(({ detected }) => detected).length} of ${rows.length} detected, ${falseAlarms.length} false alarms`;
}
