/**
 * `faultlab shrink`: makes a schedule that failed in lock-step as simple as it can be, and prints it in lanes.
 * Next: ../lockstep/shrink.ts
 */
import { type Shrunk, shrink, sizeText } from '../lockstep/shrink.ts';
import { RESULT_SCHEMA } from '../run_result.ts';
import { wordOf } from './again_word.ts';
import { type CliCommand, type CliContext, EXIT_BAD, EXIT_INTERRUPTED, integer, seconds, userPath } from './command.ts';
import { onInterrupt } from './interrupt.ts';
import { checkFailureFlags, printFailedSchedule } from './lockstep_failure.ts';
import { checkWritable, writeJson } from './write_json.ts';

interface ShrinkFlags {
  readonly budget: number;
  readonly seconds: number;
  readonly json: string;
  readonly dir: string | undefined;
}

const BUDGET_MAX = 1_000_000;
const SECONDS_MAX = 24 * 3600;
const FILE_DEFAULT = 'shrunk.json';

export const shrinkCommand: CliCommand = (program, context) => {
  program
    .command('shrink')
    .summary('make a schedule that failed in lock-step simpler')
    .description(
      'Leaves out CPUs, operations, pages, areas and switches of a failed schedule for as long as the same rule breaks at the same site, ' +
        'prints what is left in lanes, and writes a file that faultlab again takes.',
    )
    .argument('<schedule>', 'the word that was printed after the failure, or a file with it')
    .option('--budget <n>', 'schedules that may be tried', integer('--budget', 1, BUDGET_MAX), 4000)
    .option('--seconds <s>', 'at most so long', seconds('--seconds', SECONDS_MAX), 60)
    .option('--json <file>', 'where the simpler schedule is written', FILE_DEFAULT)
    .option('--dir <folder>', 'write the evidence of what is left into this folder (default: none is written)')
    .addHelpText('after', '\nExit codes: 1 it still fails, which it has to; 2 misuse, or nothing failed to begin with; 130 interrupted.')
    .action((schedule: string, flags: ShrinkFlags) => run(schedule, flags, context));
};

async function run(schedule: string, flags: ShrinkFlags, context: CliContext): Promise<void> {
  const word = await wordOf(schedule);
  await checkWritable(userPath(flags.json));
  await checkFailureFlags(flags);
  const interrupt = new AbortController();
  const release = onInterrupt(interrupt);
  let shrunk: Shrunk;
  try {
    shrunk = await shrink(word, {
      budget: flags.budget,
      seconds: flags.seconds,
      signal: interrupt.signal,
      onProgress: (line) => context.errors.write(`shrink: ${line}\n`),
    });
  } finally {
    release();
  }
  const { failure, before, after, schedules, complete } = shrunk;
  await printFailedSchedule(shrunk, flags.dir ?? false, context, word);
  context.out.write(`shrink: before: ${sizeText(before)}\n`);
  context.exit(interrupt.signal.aborted ? EXIT_INTERRUPTED : EXIT_BAD);
  await writeJson(userPath(flags.json), { schema: RESULT_SCHEMA, kind: 'again', before, after, schedules, complete, first: failure });
  const end = complete ? '' : '; the budget was used up, so more may be left out';
  context.out.write(`shrink: ${sizeText(after)}, ${schedules} schedules tried, written to ${flags.json}${end}\n`);
}
