/**
 * `faultlab mutants`: the kill matrix of the catalogue of real bugs.
 * Next: ../mutants/kill_matrix.ts
 */
import { UsageError } from '@faultlab/core/base/errors';
import { MUTANTS, mutantById } from '@faultlab/core/mutants/catalogue';
import { environment } from '../environment.ts';
import { ENGINES, type EngineName, LOCKSTEP_STRATEGIES, type LockstepStrategy } from '../mutants/engines.ts';
import { killMatrix } from '../mutants/kill_matrix.ts';
import { matrixReport } from '../mutants/matrix_report.ts';
import { RESULT_SCHEMA } from '../run_result.ts';
import { type CliCommand, type CliContext, EXIT_BAD, EXIT_INTERRUPTED, integer, SEED_MAX, seconds, userPath } from './command.ts';
import { onInterrupt } from './interrupt.ts';
import { checkWritable, writeJson } from './write_json.ts';

interface MutantsFlags {
  readonly engine: readonly EngineName[] | undefined;
  readonly strategy: readonly LockstepStrategy[] | undefined;
  readonly seeds: number;
  readonly seed: number;
  readonly schedules: number;
  readonly seconds: number;
  readonly minutes: number;
  readonly json: string | undefined;
}

const SEEDS_DEFAULT = 5;
const SEEDS_MAX = 1_000;
const SCHEDULES_DEFAULT = 100;
const SCHEDULES_MAX = 1_000_000;
const SECONDS_DEFAULT = 2;
const SECONDS_MAX = 3_600;
/** All of it, on two cores, is to take no more than 20 minutes. */
const MINUTES_DEFAULT = 19;
const MINUTES_MAX = 10_000;

export const mutantsCommand: CliCommand = (program, context) => {
  program
    .command('mutants')
    .summary('plant real bugs one by one and see whether they are caught')
    .description(
      'Runs machines that have one real bug each (see faultlab list mutants), until a check catches it, and the right model for as long, which must ' +
        'not be caught at anything. The last line is the verdict.',
    )
    .argument('[ids...]', 'mutants by their ids (default: all)')
    .option('--engine <name>', `how: ${ENGINES.join(', ')}, separated by commas (default: all of them)`, engineNames)
    .option(
      '--strategy <name>',
      `of lock-step: ${LOCKSTEP_STRATEGIES.join(', ')}, separated by commas (default: all of them)`,
      strategyNames,
    )
    .option('--seeds <n>', 'runs of each mutant by lock-step and on free-running threads', integer('--seeds', 1, SEEDS_MAX), SEEDS_DEFAULT)
    .option('--seed <n>', 'the first seed', integer('--seed', 0, SEED_MAX - SEEDS_MAX), 1)
    .option('--schedules <n>', 'most schedules of one run in lock-step', integer('--schedules', 1, SCHEDULES_MAX), SCHEDULES_DEFAULT)
    .option('--seconds <s>', 'most seconds of one run on free-running threads', seconds('--seconds', SECONDS_MAX), SECONDS_DEFAULT)
    .option(
      '--minutes <n>',
      'leave seeds out rather than take longer; the table says how many were run',
      integer('--minutes', 1, MINUTES_MAX),
      MINUTES_DEFAULT,
    )
    .option('--json <file>', 'write the result as JSON, too')
    .addHelpText('after', EXAMPLES)
    .action((ids: string[], flags: MutantsFlags) => mutants(ids, flags, context));
};

const EXAMPLES = `
Examples:
  faultlab mutants                          the whole matrix
  faultlab mutants B28-anon B33a            two of them
  faultlab mutants --engine forced          only the interleavings that one thread carries out
  faultlab mutants B05 --engine lockstep --strategy pct,pos --schedules 2000

Exit codes: 0 all detected and no false alarm, 1 one missed or a false alarm, 2 misuse, 130 interrupted.`;

const engineNames = (text: string): EngineName[] => namesOf('--engine', ENGINES, text);
const strategyNames = (text: string): LockstepStrategy[] => namesOf('--strategy', LOCKSTEP_STRATEGIES, text);

function namesOf<T extends string>(option: string, known: readonly T[], text: string): T[] {
  return text.split(',').map((name) => {
    const found = known.find((one) => one === name.trim());
    if (found === undefined) throw new UsageError(`${option} is "${text}", but it must be one or more of ${known.join(', ')}.`);
    return found;
  });
}

async function mutants(ids: readonly string[], flags: MutantsFlags, context: CliContext): Promise<void> {
  const chosen = ids.length === 0 ? MUTANTS : [...new Set(ids.map(mutantById))];
  const json = flags.json === undefined ? undefined : userPath(flags.json);
  if (json !== undefined) await checkWritable(json);
  const interrupt = new AbortController();
  const release = onInterrupt(interrupt);
  const { seeds, seed, schedules, seconds: most, minutes } = flags;
  const engines = flags.engine ?? ENGINES;
  const strategies = flags.strategy ?? LOCKSTEP_STRATEGIES;
  const matrix = await killMatrix({
    mutants: chosen,
    engines,
    strategies,
    seeds,
    seed,
    schedules,
    seconds: most,
    minutes,
    signal: interrupt.signal,
    onProgress: (line: string) => void context.errors.write(`${line}\n`),
  }).finally(release);
  context.out.write(`${matrixReport(matrix).join('\n')}\n`);
  if (matrix.interrupted) context.exit(EXIT_INTERRUPTED);
  else if (matrix.falseAlarms.length > 0 || matrix.rows.some(({ detected }) => !detected)) context.exit(EXIT_BAD);
  if (json !== undefined) {
    await writeJson(json, {
      schema: RESULT_SCHEMA,
      kind: 'mutants',
      parameters: { engines, strategies, seeds, seed, schedules, seconds: most, minutes },
      environment: environment(),
      ...matrix,
    });
  }
}
