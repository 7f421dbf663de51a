/**
 * Ctrl-C on a terminal, a polite kill, a terminal that is closed: the run ends as soon as it can, with what it has to say.
 */
import { EXIT_INTERRUPTED } from './command.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** The first such signal ends the run cleanly, with its summary; the second one ends the process. @returns what undoes it */
export function onInterrupt(controller: AbortController): () => void {
  const interrupted = (): void => {
    if (controller.signal.aborted) process.exit(EXIT_INTERRUPTED);
    controller.abort();
  };
  for (const signal of SIGNALS) process.on(signal, interrupted);
  return () => {
    for (const signal of SIGNALS) process.off(signal, interrupted);
  };
}
