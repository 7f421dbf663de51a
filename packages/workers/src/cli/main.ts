/**
 * The command line: one file per command, one exit code, and one sentence for whatever the user got wrong.
 * Next: stress.ts
 */
import { StallError, UsageError } from '@faultlab/core/base/errors';
import { Command, CommanderError } from 'commander';
import { type CliCommand, type CliContext, EXIT_BAD, EXIT_GOOD, EXIT_MISUSE, EXIT_STALL } from './command.ts';
import { conformCommand } from './conform.ts';
import { faultsCommand } from './faults.ts';
import { listCommand } from './list.ts';
import { replayCommand } from './replay.ts';
import { stressCommand } from './stress.ts';

/** In the order of the help. */
const COMMANDS: readonly CliCommand[] = [stressCommand, replayCommand, conformCommand, faultsCommand, listCommand];

/** Runs the command that `args` names. @returns the exit code */
export async function main(args: readonly string[]): Promise<number> {
  let exitCode = EXIT_GOOD;
  const context: CliContext = {
    out: process.stdout,
    errors: process.stderr,
    exit: (code) => {
      exitCode = code;
    },
  };
  try {
    await programOf(context).parseAsync([...args], { from: 'user' });
    return exitCode;
  } catch (error) {
    return codeOf(error, context);
  }
}

function programOf(context: CliContext): Command {
  const program = new Command('faultlab')
    .description("A laboratory for the locking of Linux's page faults: the protocol runs on shared memory, with real threads as CPUs.")
    .helpCommand(false)
    .showHelpAfterError(false);
  for (const add of COMMANDS) add(program, context);
  for (const command of [program, ...program.commands]) command.exitOverride().configureOutput({ outputError: () => {} });
  return program;
}

function codeOf(error: unknown, context: CliContext): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return EXIT_GOOD;
    if (error.code !== 'commander.help') context.errors.write(`${sentenceOf(error.message)}\n`);
    return EXIT_MISUSE;
  }
  if (error instanceof UsageError) {
    context.errors.write(`${error.message}\n`);
    return EXIT_MISUSE;
  }
  if (error instanceof StallError) {
    context.errors.write(`${error.message}\n`);
    return EXIT_STALL;
  }
  context.errors.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return EXIT_BAD;
}

/** "error: unknown option '--x'" becomes a sentence with the way out. */
function sentenceOf(message: string): string {
  const text = message.replace(/^error: /, '').replace(/\.?\s*\n?\(Did you mean (.*)\?\)/, ' (did you mean $1?)');
  return `${text.charAt(0).toUpperCase()}${text.slice(1).replace(/\.$/, '')}; see faultlab --help.`;
}
