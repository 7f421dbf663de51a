/**
 * The command line: one file per command, one exit code, and one sentence for whatever the user got wrong.
 * Next: stress.ts
 */
import { StallError, UsageError } from '@faultlab/core/base/errors';
import { Command, CommanderError } from 'commander';
import { inSource } from '../source_lines.ts';
import { againCommand } from './again.ts';
import { claimsCommand } from './claims.ts';
import { type CliCommand, type CliContext, EXIT_BAD, EXIT_GOOD, EXIT_MISUSE, EXIT_STALL } from './command.ts';
import { compareCommand } from './compare.ts';
import { conformCommand } from './conform.ts';
import { exploreCommand } from './explore.ts';
import { faultsCommand } from './faults.ts';
import { guardOutput } from './guard_output.ts';
import { listCommand } from './list.ts';
import { mutantsCommand } from './mutants.ts';
import { replayCommand } from './replay.ts';
import { reportCommand } from './report.ts';
import { shrinkCommand } from './shrink.ts';
import { stressCommand } from './stress.ts';
import { tortureCommand } from './torture.ts';

/** In the order of the help. */
const COMMANDS: readonly CliCommand[] = [
  stressCommand,
  compareCommand,
  claimsCommand,
  reportCommand,
  exploreCommand,
  againCommand,
  shrinkCommand,
  replayCommand,
  conformCommand,
  faultsCommand,
  mutantsCommand,
  tortureCommand,
  listCommand,
];

/** Runs the command that `args` names. @param streams where it prints, the process's own when not given @returns the exit code */
export async function main(args: readonly string[], streams?: Pick<CliContext, 'out' | 'errors'>): Promise<number> {
  let exitCode = EXIT_GOOD;
  if (streams === undefined) guardOutput();
  const context: CliContext = {
    out: streams?.out ?? process.stdout,
    errors: streams?.errors ?? process.stderr,
    exit: (code) => {
      exitCode = code;
    },
  };
  try {
    await programOf(context).parseAsync([...args], { from: 'user' });
    return exitCode;
  } catch (error) {
    const code = codeOf(error, context);
    // A verdict that is out already counts for more than a result that could not be written after it.
    return code === EXIT_MISUSE && exitCode !== EXIT_GOOD ? exitCode : code;
  }
}

function programOf(context: CliContext): Command {
  const program = new Command('faultlab')
    .description("A laboratory for the locking of Linux's page faults: the protocol runs on shared memory, with real threads as CPUs.")
    .helpCommand(false)
    .showHelpAfterError(false);
  for (const add of COMMANDS) add(program, context);
  for (const command of [program, ...program.commands])
    command.exitOverride().configureOutput({
      writeOut: (text) => void context.out.write(text),
      outputError: () => {},
    });
  return program;
}

function codeOf(error: unknown, context: CliContext): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return EXIT_GOOD;
    if (error.code !== 'commander.help') context.errors.write(`${oneLine(sentenceOf(error.message))}\n`);
    return EXIT_MISUSE;
  }
  if (error instanceof UsageError) {
    context.errors.write(`${oneLine(error.message)}\n`);
    return EXIT_MISUSE;
  }
  if (error instanceof StallError) {
    context.errors.write(`${error.message}\n`);
    return EXIT_STALL;
  }
  context.errors.write(`${error instanceof Error ? inSource(error.stack ?? error.message) : String(error)}\n`);
  return EXIT_BAD;
}

/** "error: unknown option '--x'" becomes a sentence with the way out. */
function sentenceOf(message: string): string {
  const text = message.replace(/^error: /, '').replace(/\.?\s*\n?\(Did you mean (.*)\?\)/, ' (did you mean $1?)');
  return `${text.charAt(0).toUpperCase()}${text.slice(1).replace(/\.$/, '')}; see faultlab --help.`;
}

const HEAD_MAX = 1_400;
const TAIL_MAX = 600;
const CONTROL = /[\p{Cc}\p{Zl}\p{Zp}]/gu;

/** Whatever text of a user's a sentence holds, it stays a line of bearable length, its end is seen, and a terminal is not told to do things. */
function oneLine(sentence: string): string {
  const line = sentence.replace(CONTROL, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return line.length > HEAD_MAX + TAIL_MAX ? `${line.slice(0, HEAD_MAX)} ... ${line.slice(-TAIL_MAX)}` : line;
}
