/**
 * `faultlab mutants`: the kill matrix of the catalogue of real bugs.
 * Next: ../mutants/kill_matrix.ts
 */
import { UsageError } from '@faultlab/core/base/errors';
import { MUTANTS, mutantById } from '@faultlab/core/mutants/catalogue';
import { environment } from '../environment.ts';
import { ENGINES, type EngineName, killMatrix } from '../mutants/kill_matrix.ts';
import { matrixReport } from '../mutants/matrix_report.ts';
import { RESULT_SCHEMA } from '../run_result.ts';
import { type CliCommand, type CliContext, EXIT_BAD, EXIT_INTERRUPTED, integer, SEED_MAX, seconds, userPath } from './command.ts';
import { onInterrupt } from './interrupt.ts';
import { checkWritable, writeJson } from './write_json.ts';

interface MutantsFlags {
  readonly engine: readonly EngineName[] | undefined;
  readonly seeds: number;
  readonly seed: number;
  readonly seconds: number;
  readonly json: string | undefined;
}

const SEEDS_DEFAULT = 3;
const SEEDS_MAX = 1_000;
const SECONDS_DEFAULT = 3;
const SECONDS_MAX = 3_600;

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
    .option('--seeds <n>', 'runs of each mutant by lock-step and on free-running threads', integer('--seeds', 1, SEEDS_MAX), SEEDS_DEFAULT)
    .option('--seed <n>', 'the first seed', integer('--seed', 0, SEED_MAX - SEEDS_MAX), 1)
    .option('--seconds <s>', 'most seconds of one such run', seconds('--seconds', SECONDS_MAX), SECONDS_DEFAULT)
    .option('--json <file>', 'write the result as JSON, too')
    .addHelpText('after', EXAMPLES)
    .action((ids: string[], flags: MutantsFlags) => mutants(ids, flags, context));
};

const EXAMPLES = `
Examples:
  faultlab mutants                          the whole matrix
  faultlab mutants B28-anon B33a            two of them
  faultlab mutants --engine forced          only the interleavings that one thread carries out

Exit codes: 0 all detected and no false alarm, 1 one missed or a false alarm, 2 misuse, 130 interrupted.`;

function engineNames(text: string): EngineName[] {
  return text.split(',').map((name) => {
    const found = ENGINES.find((engine) => engine === name.trim());
    if (found === undefined) throw new UsageError(`--engine is "${text}", but it must be one or more of ${ENGINES.join(', ')}.`);
    return found;
  });
}

async function mutants(ids: readonly string[], flags: MutantsFlags, context: CliContext): Promise<void> {
  const chosen = ids.length === 0 ? MUTANTS : [...new Set(ids.map(mutantById))];
  const json = flags.json === undefined ? undefined : userPath(flags.json);
  if (json !== undefined) await checkWritable(json);
  const interrupt = new AbortController();
  const release = onInterrupt(interrupt);
  const { seeds, seed, seconds: most } = flags;
  const engines = flags.engine ?? ENGINES;
  const live = context.errors.isTTY === true;
  const matrix = await killMatrix({
    mutants: chosen,
    engines,
    seeds,
    seed,
    seconds: most,
    signal: interrupt.signal,
    ...(live ? { onProgress: (line: string) => void context.errors.write(`${line}\n`) } : {}),
  }).finally(release);
  context.out.write(`${matrixReport(matrix).join('\n')}\n`);
  if (matrix.interrupted) context.exit(EXIT_INTERRUPTED);
  else if (matrix.falseAlarms.length > 0 || matrix.rows.some(({ detected }) => !detected)) context.exit(EXIT_BAD);
  if (json !== undefined) {
    await writeJson(json, {
      schema: RESULT_SCHEMA,
      kind: 'mutants',
      parameters: { engines, seeds, seed, seconds: most },
      environment: environment(),
      ...matrix,
    });
  }
}
