/**
 * `faultlab conform`: scripts of memory operations on the model, against what a kernel did.
 * Next: ../conform/conform.ts
 */
import { conform } from '../conform/conform.ts';
import { conformReport, RECORDED_POLICY } from '../conform/conform_report.ts';
import { type ConformResult, conforms, totalsOf } from '../conform/conform_result.ts';
import { loadScripts } from '../conform/find_scripts.ts';
import { environment } from '../environment.ts';
import { checkInject } from '../inject/apply.ts';
import type { Injection } from '../inject/injections.ts';
import { parseInject } from '../inject/parse_inject.ts';
import { loadPolicy } from '../policy/load_policy.ts';
import { RESULT_SCHEMA } from '../run_result.ts';
import { type CliCommand, type CliContext, EXIT_BAD, EXIT_GOOD, INJECT_HELP, integer, POLICY_HELP, SEED_MAX, userPath } from './command.ts';
import { checkWritable, writeJson } from './write_json.ts';

interface ConformFlags {
  readonly policy: string;
  readonly show: number;
  readonly inject: readonly Injection[] | undefined;
  readonly seed: number;
  readonly json: string | undefined;
}

const SHOW_DEFAULT = 3;
const SHOW_MAX = 100_000;

export const conformCommand: CliCommand = (program, context) => {
  program
    .command('conform')
    .summary('run scripts of memory operations and compare with what a kernel did')
    .description(
      'Runs every script (NAME.txt) on a fresh machine of one CPU and compares each operation with its record (NAME.jsonl beside it): ' +
        'result, fault counts, layout and events. A script without a record runs too, and what the model does is printed.',
    )
    .argument('<path...>', 'scripts, or folders of them')
    .option('--policy <name>', POLICY_HELP, RECORDED_POLICY)
    .option('--show <n>', 'differences to print, side by side', integer('--show', 0, SHOW_MAX), SHOW_DEFAULT)
    .option('--inject <spec>', INJECT_HELP, parseInject)
    .option('--seed <n>', 'what injections are drawn from', integer('--seed', 0, SEED_MAX), 1)
    .option('--json <file>', 'write the result as JSON, too, with every difference')
    .addHelpText('after', EXAMPLES)
    .action((paths: string[], flags: ConformFlags) => conformPaths(paths, flags, context));
};

const EXAMPLES = `
A script has one operation a line, such as:
  map 0 8 rw private anon
  touch 3 w
  fork
  @ touch 3 w              the child does it

"Left out" counts what a record itself says not to compare, and events that only tell about the disk of the recording machine; the reasons are
printed. "Not modelled yet" names what ended scripts early.

Exit codes: 0 everything was run and is the same, 1 something is different, broken or not modelled yet, 2 misuse or a bad line, 3 an injection
left nobody who moves. What follows the first injection in a script is not compared; the invariants are checked all the same.`;

async function conformPaths(paths: readonly string[], flags: ConformFlags, context: CliContext): Promise<void> {
  const policy = await loadPolicy(flags.policy, userPath);
  const { inject = [] } = flags;
  checkInject(inject, 1);
  const json = flags.json === undefined ? undefined : userPath(flags.json);
  if (json !== undefined) await checkWritable(json);
  const result = conform(await loadScripts(paths, userPath), policy, { inject, seed: flags.seed });
  context.out.write(`${conformReport(result, flags.show).join('\n')}\n`);
  context.exit(conforms(totalsOf(result)) ? EXIT_GOOD : EXIT_BAD);
  if (json !== undefined) await writeJson(json, jsonOf(result));
}

function jsonOf(result: ConformResult): unknown {
  const totals = totalsOf(result);
  return {
    schema: RESULT_SCHEMA,
    kind: 'conform',
    verdict: conforms(totals) ? 'agrees' : 'differs',
    policy: result.policy,
    ...(result.inject === undefined ? {} : { inject: result.inject }),
    environment: environment(),
    operations: totals.compared,
    same: totals.same,
    different: totals.different,
    leftOut: Object.fromEntries(totals.leftOut),
    notModelled: Object.fromEntries(totals.notModelled),
    notRun: totals.notRun,
    broken: totals.broken,
    scripts: result.scripts,
    differences: result.differences,
  };
}
