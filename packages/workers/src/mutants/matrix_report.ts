/** The kill matrix as lines of text. The last one is the verdict. */
import { textTable } from '../report/text_table.ts';
import { type Cell, catches } from './cell.ts';
import type { EngineName, Way } from './engines.ts';
import type { KillMatrix, MatrixRow } from './kill_matrix.ts';

export function matrixReport(matrix: KillMatrix): string[] {
  const { rows, falseAlarms, rightRuns, rightSchedules, elapsedSeconds, interrupted } = matrix;
  const table = textTable(
    ['mutant', 'difficulty', 'way', 'runs', 'caught', 'exact', 'by', 'schedules', 'seconds'],
    rows.flatMap(({ mutant, difficulty, cells }) =>
      cells.length === 0
        ? [[mutant, difficulty, 'none', '0', '0', '', '', '', '']]
        : cells.map((cell) => [
            mutant,
            difficulty,
            cell.way,
            String(cell.runs),
            String(cell.caught),
            String(cell.exact ?? ''),
            cell.by.join(' '),
            String(cell.schedules ?? ''),
            secondsText(cell),
          ]),
    ),
    ['left', 'left', 'left', 'right', 'right', 'right', 'left', 'right', 'right'],
  );
  return [
    ...table,
    '',
    ...onlyLines(matrix),
    `Exact replay in lock-step: ${rows.filter(({ replay }) => replay !== null).length} of ${rows.length}.`,
    `The right model: ${rightRuns} runs of the same, ${rightSchedules} schedules in lock-step among them, ${falseAlarms.length} alarms. ${elapsedSeconds.toFixed(0)} s in all.`,
    ...falseAlarms.map(
      ({ way, what, seed, caught }) => `false alarm: ${way} ${what} seed ${seed}: ${caught.by}: ${firstLine(caught.message)}`,
    ),
    ...rows.filter(({ detected }) => !detected).map(({ mutant, title }) => `missed: ${mutant}, ${title}`),
    ...(interrupted ? ['Interrupted: what was not reached is not counted.'] : []),
    verdictLine(matrix),
  ];
}

const engineOf = (way: Way): EngineName => way.split('/')[0] as EngineName;

/** Mutants that one engine alone has caught, by engine. */
export function caughtByOneAlone({ rows, ways }: Pick<KillMatrix, 'rows' | 'ways'>): [EngineName, string[]][] {
  const engines = [...new Set(ways.map(engineOf))];
  const alone = (row: MatrixRow): EngineName | undefined => {
    const catching = engines.filter((engine) => row.cells.some((cell) => engineOf(cell.way) === engine && catches(cell)));
    return catching.length === 1 ? catching[0] : undefined;
  };
  return engines.map((engine) => [engine, rows.filter((row) => alone(row) === engine).map(({ mutant }) => mutant)]);
}

function onlyLines(matrix: KillMatrix): string[] {
  const byEngine = caughtByOneAlone(matrix);
  return byEngine.length < 2 ? [] : byEngine.map(([engine, ids]) => `Caught by ${engine} alone: ${ids.join(', ') || 'none'}.`);
}

export const secondsText = ({ seconds }: Cell): string => (seconds === undefined ? '' : seconds.toFixed(seconds < 1 ? 3 : 1));

const firstLine = (text: string): string => text.split('\n')[0] as string;

export function verdictLine({ rows, falseAlarms }: Pick<KillMatrix, 'rows' | 'falseAlarms'>): string {
  return `mutants: ${rows.filter(({ detected }) => detected).length} of ${rows.length} detected, ${falseAlarms.length} false alarms`;
}
