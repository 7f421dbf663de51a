/**
 * Output that goes nowhere: a pipe whose reader has left is no mistake, a full disk is one; neither ends a run in the middle.
 * Next: main.ts
 */
import { EXIT_GOOD, EXIT_MISUSE } from './command.ts';

let guarded = false;

/** Takes the errors of the process's own streams, for as long as it lives. */
export function guardOutput(): void {
  if (guarded) return;
  guarded = true;
  let lost: string | undefined;
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') lost ??= error.code ?? error.message;
  });
  process.stderr.on('error', () => {});
  process.once('exit', (code) => {
    if (lost === undefined) return;
    process.stderr.write(`The output could not be written (${lost}); send it to a place that has room.\n`);
    if (code === EXIT_GOOD) process.exitCode = EXIT_MISUSE;
  });
}
