/**
 * `faultlab again`: repeats a schedule that failed in lock-step, exactly.
 * Next: ../lockstep/again.ts
 */
import { again } from '../lockstep/again.ts';
import { wordOf } from './again_word.ts';
import { type CliCommand, type CliContext, EXIT_BAD, EXIT_GOOD } from './command.ts';
import { checkFailureFlags, printFailedSchedule } from './lockstep_failure.ts';

interface AgainFlags {
  readonly dir: string | undefined;
}

export const againCommand: CliCommand = (program, context) => {
  program
    .command('again')
    .summary('repeat a schedule that failed in lock-step')
    .description('Repeats a schedule that faultlab explore has printed, operation by operation, and says whether the same thing failed.')
    .argument('<schedule>', 'the word that was printed after the failure, or a file with it, or the file of --json')
    .option('--dir <folder>', 'write the evidence of the failure into this folder (default: none is written)')
    .addHelpText('after', '\nExit codes: 0 nothing failed, 1 it failed again, 2 misuse.')
    .action((schedule: string, flags: AgainFlags) => run(schedule, flags, context));
};

async function run(schedule: string, flags: AgainFlags, context: CliContext): Promise<void> {
  await checkFailureFlags(flags);
  const result = await again(await wordOf(schedule), { lanes: true });
  const { first, same, diverged } = result;
  if (first !== undefined)
    await printFailedSchedule({ failure: first, lanes: result.lanes, evidence: result.evidence }, flags.dir ?? false, context);
  const how = first === undefined ? 'nothing failed' : same ? 'failed in the same way' : 'failed, but not in the same way';
  const lost = diverged === 0 ? '' : `; ${diverged} choices fell on CPUs that could not move`;
  context.out.write(`again: ${how}, ${result.steps} steps${lost}\n`);
  context.exit(first === undefined ? EXIT_GOOD : EXIT_BAD);
}
