/**
 * `faultlab torture`: tortures a lock of the user's.
 * Next: ../torture/torture_lock.ts
 */
import { environment } from '../environment.ts';
import { RESULT_SCHEMA } from '../run_result.ts';
import { type TortureResult, tortureLock } from '../torture/torture_lock.ts';
import { tortureReport, tortureVerdict } from '../torture/torture_report.ts';
import { TORTURE_THREADS_MAX } from '../torture/torture_state.ts';
import {
  type CliCommand,
  type CliContext,
  EXIT_BAD,
  EXIT_GOOD,
  EXIT_INTERRUPTED,
  integer,
  SEED_MAX,
  seconds,
  userPath,
} from './command.ts';
import { onInterrupt } from './interrupt.ts';
import { checkWritable, writeJson } from './write_json.ts';

interface TortureFlags {
  readonly threads: number;
  readonly seconds: number;
  readonly schedules: number;
  readonly overtakings: number;
  readonly seed: number | undefined;
  readonly json: string | undefined;
}

const SECONDS_MAX = 3600;
const SCHEDULES_MAX = 1_000_000;
const OVERTAKINGS_MAX = 10_000;

export const tortureCommand: CliCommand = (program, context) => {
  program
    .command('torture')
    .summary('torture a lock of your own: free-running threads, and lock-step')
    .description(
      'Loads a module whose default export is an adapter (docs/TORTURE.md): how the lock is made, and how a thread uses it. Threads hammer on it, ' +
        'and every operation is explored in lock-step if the lock uses the Atomics object that it is given. The last line is the verdict.',
    )
    .argument('<module>', 'the adapter module, a JavaScript file')
    .option('--threads <n>', 'threads', integer('--threads', 2, TORTURE_THREADS_MAX), 4)
    .option('--seconds <s>', 'how long threads run freely, for each pattern', seconds('--seconds', SECONDS_MAX), 2)
    .option('--schedules <n>', 'schedules of lock-step, for the main strategy', integer('--schedules', 0, SCHEDULES_MAX), 300)
    .option('--overtakings <n>', 'readers that may get in before a writer that waits', integer('--overtakings', 1, OVERTAKINGS_MAX), 64)
    .option('--seed <n>', 'what everything is drawn from (default: a new one each time)', integer('--seed', 0, SEED_MAX))
    .option('--json <file>', 'write the result as JSON, too')
    .addHelpText('after', '\nExit codes: 0 nothing was found, 1 the lock is bad, 2 misuse, 130 interrupted.')
    .action((module: string, flags: TortureFlags) => run(module, flags, context));
};

async function run(module: string, flags: TortureFlags, context: CliContext): Promise<void> {
  const { json, seed = Math.floor(Math.random() * (SEED_MAX + 1)), ...rest } = flags;
  if (json !== undefined) await checkWritable(userPath(json));
  const interrupt = new AbortController();
  const release = onInterrupt(interrupt);
  let result: TortureResult;
  try {
    result = await tortureLock(userPath(module), { ...rest, seed, signal: interrupt.signal });
  } finally {
    release();
  }
  context.out.write(`${[...tortureReport(result), tortureVerdict(result)].join('\n')}\n`);
  context.exit(result.verdict === 'FAILURE' ? EXIT_BAD : interrupt.signal.aborted ? EXIT_INTERRUPTED : EXIT_GOOD);
  if (json !== undefined) await writeJson(userPath(json), { schema: RESULT_SCHEMA, kind: 'torture', environment: environment(), result });
}
