/**
 * `faultlab list`: what there is to choose from.
 */
import { UsageError } from '@faultlab/core/base/errors';
import { MUTANTS, UNMODELLED } from '@faultlab/core/mutants/catalogue';
import { ARCH_ENTRIES } from '@faultlab/core/policy/arch_entries';
import { POLICIES } from '@faultlab/core/policy/policies';
import { METRICS } from '../compare/metrics.ts';
import { ALLOCATED, INJECTIONS, parameterText } from '../inject/injections.ts';
import { TRIGGER_SCENARIOS } from '../mutants/triggers/trigger_scenarios.ts';
import { textTable } from '../report/text_table.ts';
import type { Scenario } from '../scenario.ts';
import { SCENARIOS } from '../scenarios/by_name.ts';
import type { CliCommand } from './command.ts';
import { CHECKED_INVARIANTS } from './invariant_list.ts';

const storyTable = (title: string, scenarios: readonly Scenario[]): string[] =>
  textTable(
    [title, 'story'],
    scenarios.map(({ name, story }) => [name, story]),
    ['left', 'left'],
  );

const LISTS: Readonly<Record<string, () => string[]>> = {
  scenarios: () => [
    ...storyTable('scenario', SCENARIOS),
    'Triggers of mutants: two or three CPUs and a few operations, for faultlab explore and faultlab mutants:',
    ...storyTable('trigger', TRIGGER_SCENARIOS),
  ],
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
  injections: () => [
    ...textTable(
      ['injection', 'parameters', 'what it does'],
      INJECTIONS.map(({ name, parameters, does }) => [
        name,
        parameters.map((parameter) => parameterText(parameter, parameter.standard)).join(','),
        does,
      ]),
      ['left', 'left', 'left'],
    ),
    `\`of\` of alloc_fail is ${[...ALLOCATED.keys()].join(', ')}.`,
    'Parameters are shown with their defaults. Rates are shares such as 1% or 0.01, times such as 200us, 5ms or 1s; `all` is every injection that a run survives.',
  ],
  mutants: () => [
    ...textTable(
      ['mutant', 'what is wrong', 'source'],
      MUTANTS.map(({ id, title, source }) => [id, title, source]),
      ['left', 'left', 'left'],
    ),
    'Not in this model:',
    ...textTable(
      ['bug', 'what is wrong', 'why it cannot be had here'],
      UNMODELLED.map(({ id, title, reason }) => [id, title, reason]),
      ['left', 'left', 'left'],
    ),
  ],
  metrics: () =>
    textTable(
      ['metric', 'unit', 'better', 'what it is'],
      METRICS.map(({ name, unit, better, meaning }) => [name, unit, better, meaning]),
      ['left', 'left', 'left', 'left'],
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
    .summary('list scenarios, policies, architectures, injections, mutants, metrics or invariants')
    .argument('<what>', 'scenarios, policies, architectures, injections, mutants, metrics or invariants')
    .action((what: string) => {
      const list = LISTS[what];
      if (list === undefined)
        throw new UsageError(
          `There is no list of "${what}"; choose scenarios, policies, architectures, injections, mutants, metrics or invariants.`,
        );
      context.out.write(`${list().join('\n')}\n`);
    });
};
