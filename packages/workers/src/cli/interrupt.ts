/**
 * Ctrl-C on a terminal.
 */
import { EXIT_INTERRUPTED } from './command.ts';

/** The first interrupt ends the run cleanly, with its summary; the second one ends the process. @returns what undoes it */
export function onInterrupt(controller: AbortController): () => void {
  const interrupted = (): void => {
    if (controller.signal.aborted) process.exit(EXIT_INTERRUPTED);
    controller.abort();
  };
  process.on('SIGINT', interrupted);
  return () => process.off('SIGINT', interrupted);
}
