/**
 * `faultlab claims`: what was claimed about page-fault locking, looked at again.
 * Next: ../claims/run_claims.ts
 */
import { UsageError } from '@faultlab/core/base/errors';
import { CLAIMS, claimsById } from '../claims/by_id.ts';
import {
  type ChangedVerdict,
  CLAIMS_SCHEMA,
  type ClaimResult,
  type ClaimsFile,
  COMMITTED,
  changedVerdicts,
  merged,
  readCommitted,
} from '../claims/claims_file.ts';
import { runClaims } from '../claims/run_claims.ts';
import { environment } from '../environment.ts';
import { claimLines, tally } from '../report/claims_report.ts';
import { type CliCommand, type CliContext, EXIT_BAD, EXIT_GOOD, EXIT_INTERRUPTED, integer, SEED_MAX, userPath } from './command.ts';
import { onInterrupt } from './interrupt.ts';
import { checkWritable, writeJson } from './write_json.ts';

interface ClaimsFlags {
  readonly runs: number;
  readonly seed: number;
  readonly json: string | undefined;
  readonly against: string | undefined;
  readonly accept: boolean | undefined;
  readonly evenBusy: boolean | undefined;
}

const RUNS_DEFAULT = 5;
const RUNS_MAX = 100;

export const claimsCommand: CliCommand = (program, context) => {
  program
    .command('claims')
    .summary('look again at what was claimed about page-fault locking, with figures and verdicts')
    .description(
      'Measures each claim and says whether it held, did not hold, or cannot be decided here. Claims that are counts are decided by counts; claims about ' +
        'time by rounds in which all variants take turns. The verdicts are compared with those of results/claims.json.',
    )
    .argument('[ids...]', `claims, ${CLAIMS[0]?.id} to ${CLAIMS.at(-1)?.id} (default: all)`)
    .option('--runs <n>', 'rounds of each claim about time', integer('--runs', 1, RUNS_MAX), RUNS_DEFAULT)
    .option('--seed <n>', 'what everything is drawn from', integer('--seed', 0, SEED_MAX), 1)
    .option('--json <file>', 'write the results as JSON, too')
    .option('--against <file>', 'compare with the verdicts of this file instead of the committed ones')
    .option('--accept', 'take the results into results/claims.json: what they are compared with from now on')
    .option('--even-busy', 'take every round, whatever other programs use of the host: to see that all claims run')
    .addHelpText('after', EXAMPLES)
    .action((ids: readonly string[], flags: ClaimsFlags) => claims(ids, flags, context));
};

const EXAMPLES = `
Examples:
  faultlab claims                       all of them, several minutes
  faultlab claims C1 C14                two that are counts
  faultlab claims --accept              and take the verdicts over; then node scripts/claims_page.mjs

Exit codes: 0 no verdict changed, 1 a verdict changed or a run went wrong, 2 misuse, 3 no progress, 130 interrupted.`;

async function claims(ids: readonly string[], flags: ClaimsFlags, context: CliContext): Promise<void> {
  const { runs: rounds, seed, accept = false, evenBusy = false } = flags;
  const chosen = claimsById(ids);
  if (accept && evenBusy) throw new UsageError('--accept and --even-busy exclude each other; leave one of them out.');
  const committed = readCommitted(flags.against === undefined ? COMMITTED : existing(userPath(flags.against)));
  const json = flags.json === undefined ? undefined : userPath(flags.json);
  for (const path of [json, accept ? COMMITTED : undefined]) if (path !== undefined) await checkWritable(path);
  const host = environment();
  const interrupt = new AbortController();
  const release = onInterrupt(interrupt);
  let results: ClaimResult[];
  try {
    results = await runClaims({
      claims: chosen,
      rounds,
      seed,
      evenBusy,
      signal: interrupt.signal,
      onEnd: (result) => void context.out.write(`${claimLines(result).join('\n')}\n\n`),
    });
  } finally {
    release();
  }
  const interrupted = interrupt.signal.aborted;
  const changes = changedVerdicts(committed, results);
  const file: ClaimsFile = { schema: CLAIMS_SCHEMA, kind: 'claims', parameters: { rounds, seed }, environment: host, claims: results };
  if (json !== undefined && !interrupted) await writeJson(json, file);
  if (accept && !interrupted) await writeJson(COMMITTED, merged(readCommitted(), file));
  context.out.write(`${[...changeLines(changes, committed), tally(results, interrupted)].join('\n')}\n`);
  context.exit(interrupted ? EXIT_INTERRUPTED : changes.length > 0 && !accept ? EXIT_BAD : EXIT_GOOD);
}

/** A file that the user named has to be there. */
function existing(path: string): string {
  if (readCommitted(path) === undefined)
    throw new UsageError(`${path} does not exist; name a file that faultlab claims --json has written.`);
  return path;
}

function changeLines(changes: readonly ChangedVerdict[], committed: ClaimsFile | undefined): string[] {
  if (committed === undefined) return ['There are no committed verdicts to compare with.'];
  return changes.map(({ id, before, now }) => `claim ${id} changed: ${before} before, ${now} now`);
}
