/**
 * `faultlab again`: repeats a schedule that failed in lock-step, exactly.
 * Next: ../lockstep/again.ts
 */
import { again } from '../lockstep/again.ts';
import { exploreFailureBlock } from '../lockstep/failure_block.ts';
import { wordOf } from './again_word.ts';
import { type CliCommand, type CliContext, EXIT_BAD, EXIT_GOOD } from './command.ts';

export const againCommand: CliCommand = (program, context) => {
  program
    .command('again')
    .summary('repeat a schedule that failed in lock-step')
    .description('Repeats a schedule that faultlab explore has printed, operation by operation, and says whether the same thing failed.')
    .argument('<schedule>', 'the word that was printed after the failure, or a file with it, or the file of --json')
    .addHelpText('after', '\nExit codes: 0 nothing failed, 1 it failed again, 2 misuse.')
    .action((schedule: string) => run(schedule, context));
};

async function run(schedule: string, context: CliContext): Promise<void> {
  const result = await again(await wordOf(schedule), { lanes: true });
  const { first, same, diverged } = result;
  if (first !== undefined) context.out.write(`${exploreFailureBlock(first, result.lanes).join('\n')}\n\n`);
  const how = first === undefined ? 'nothing failed' : same ? 'failed in the same way' : 'failed, but not in the same way';
  const lost = diverged === 0 ? '' : `; ${diverged} choices fell on CPUs that could not move`;
  context.out.write(`again: ${how}, ${result.steps} steps${lost}\n`);
  context.exit(first === undefined ? EXIT_GOOD : EXIT_BAD);
}
