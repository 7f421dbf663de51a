/**
 * `faultlab faults`: one fault of each kind under each policy, and the locks that it takes.
 * Next: ../fault_kinds/measure.ts
 */
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { POLICIES } from '@faultlab/core/policy/policies';
import { environment } from '../environment.ts';
import { lockTables, type PolicyCounts } from '../fault_kinds/lock_table.ts';
import { measureKinds } from '../fault_kinds/measure.ts';
import { loadPolicy } from '../policy/load_policy.ts';
import { textTable } from '../report/text_table.ts';
import { RESULT_SCHEMA } from '../run_result.ts';
import { type CliCommand, type CliContext, POLICY_HELP, userPath } from './command.ts';
import { checkWritable, writeJson } from './write_json.ts';

interface FaultsFlags {
  readonly policy: readonly string[] | undefined;
  readonly json: string | undefined;
}

/** Policies side by side in text: more do not fit a line. */
const COLUMNS = 7;

export const faultsCommand: CliCommand = (program, context) => {
  program
    .command('faults')
    .summary('take one fault of each kind under each policy and count the locks')
    .description(
      'Takes one fault of each kind, alone on a fresh machine, under each policy: how often it takes mmap_lock, how many attempts it makes under ' +
        'which lock, and which lock it holds while it waits. Counts, not times: they are the same in every run.',
    )
    .option('--policy <policy>', `${POLICY_HELP}; may be given several times (default: all)`, (text: string, before: string[] = []) => [
      ...before,
      text,
    ])
    .option('--json <file>', 'write the counts as JSON, too')
    .addHelpText('after', '\nExit codes: 0 done, 2 misuse.')
    .action((flags: FaultsFlags) => faults(flags, context));
};

async function faults(flags: FaultsFlags, context: CliContext): Promise<void> {
  const policies: FaultPolicy[] = [];
  for (const text of flags.policy ?? POLICIES.map(({ name }) => name)) policies.push(await loadPolicy(text, userPath));
  const json = flags.json === undefined ? undefined : userPath(flags.json);
  if (json !== undefined) await checkWritable(json);
  const all: PolicyCounts[] = policies.map((policy) => ({ policy, counts: measureKinds(policy) }));
  const lines: string[] = [];
  for (let first = 0; first < all.length; first += COLUMNS) {
    for (const { title, header, rows } of lockTables(all.slice(first, first + COLUMNS))) {
      lines.push(title, '', ...textTable(header, rows, ['left']), '');
    }
  }
  context.out.write(`${lines.join('\n')}\nfaults: ${all[0]?.counts.length ?? 0} kinds under ${all.length} policies\n`);
  if (json !== undefined) await writeJson(json, { schema: RESULT_SCHEMA, kind: 'faults', environment: environment(), policies: all });
}
