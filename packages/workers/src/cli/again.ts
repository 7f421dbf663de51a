/**
 * `faultlab again`: repeats a schedule that failed in lock-step, exactly.
 * Next: ../lockstep/again.ts
 */
import { readFile, stat } from 'node:fs/promises';
import { UsageError } from '@faultlab/core/base/errors';
import { again } from '../lockstep/again.ts';
import { exploreFailureBlock } from '../lockstep/failure_block.ts';
import { type CliCommand, type CliContext, EXIT_BAD, EXIT_GOOD, userPath } from './command.ts';

const FILE_BYTES_MAX = 64 << 20;

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
  const result = await again(await wordOf(schedule));
  const { first, same, diverged } = result;
  if (first !== undefined) context.out.write(`${exploreFailureBlock(first).join('\n')}\n\n`);
  const how = first === undefined ? 'nothing failed' : same ? 'failed in the same way' : 'failed, but not in the same way';
  const lost = diverged === 0 ? '' : `; ${diverged} choices fell on CPUs that could not move`;
  context.out.write(`again: ${how}, ${result.steps} steps${lost}\n`);
  context.exit(first === undefined ? EXIT_GOOD : EXIT_BAD);
}

/** The word itself, or what is in the file of that name. */
async function wordOf(schedule: string): Promise<string> {
  if (schedule.includes(':')) return schedule;
  const path = userPath(schedule);
  const found = await stat(path).catch(() => undefined);
  if (found === undefined || !found.isFile() || found.size > FILE_BYTES_MAX) {
    throw new UsageError(`"${schedule}" is no schedule, and no file with one; give the word that faultlab explore has printed.`);
  }
  const text = await readFile(path, 'utf8').catch(() => {
    throw new UsageError(`${schedule} cannot be read; give the word that faultlab explore has printed, or a file with it.`);
  });
  if (!text.trimStart().startsWith('{')) return text.trim();
  try {
    const word = (JSON.parse(text) as { readonly first?: { readonly again?: unknown } }).first?.again;
    if (typeof word === 'string') return word;
  } catch {
    // It is told below.
  }
  throw new UsageError(
    `${schedule} is JSON without a failed schedule in it; give a file that faultlab explore --json wrote after a failure.`,
  );
}
