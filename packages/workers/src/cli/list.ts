/**
 * `faultlab list`: what there is to choose from.
 */
import { UsageError } from '@faultlab/core/base/errors';
import { ARCH_ENTRIES } from '@faultlab/core/policy/arch_entries';
import { POLICIES } from '@faultlab/core/policy/policies';
import { textTable } from '../report/text_table.ts';
import { SCENARIOS } from '../scenarios/by_name.ts';
import type { CliCommand } from './command.ts';
import { CHECKED_INVARIANTS } from './invariant_list.ts';

const LISTS: Readonly<Record<string, () => string[]>> = {
  scenarios: () =>
    textTable(
      ['scenario', 'story'],
      SCENARIOS.map(({ name, story }) => [name, story]),
      ['left', 'left'],
    ),
  policies: () =>
    textTable(
      ['policy', 'what it stands for'],
      POLICIES.map(({ name, summary }) => [name, summary]),
      ['left', 'left'],
    ),
  architectures: () =>
    textTable(
      ['architecture', 'how its fault entry differs'],
      ARCH_ENTRIES.map(({ name, summary }) => [name, summary]),
      ['left', 'left'],
    ),
  invariants: () =>
    textTable(
      ['id', 'what always holds'],
      CHECKED_INVARIANTS.map(({ id, holds }) => [id, holds]),
      ['left', 'left'],
    ),
};

export const listCommand: CliCommand = (program, context) => {
  program
    .command('list')
    .summary('list scenarios, policies, architectures or invariants')
    .argument('<what>', 'scenarios, policies, architectures or invariants')
    .action((what: string) => {
      const list = LISTS[what];
      if (list === undefined)
        throw new UsageError(`There is no list of "${what}"; choose scenarios, policies, architectures or invariants.`);
      context.out.write(`${list().join('\n')}\n`);
    });
};
