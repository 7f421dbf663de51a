/**
 * Learns what an adapter is, on a thread of its own and for a limited time.
 * Next: probe_main.ts is that thread
 */
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { UsageError } from '@faultlab/core/base/errors';
import type { AdapterPlace, ProbeAnswer } from './torture_order.ts';

const MODULE = new URL('./probe_main.js', import.meta.url);
const HEAP_MB = 128;

/** @param module a path, or the URL of a file @throws UsageError when there is no such file */
export async function placeOf(module: string | URL): Promise<AdapterPlace> {
  const isUrl = module instanceof URL || module.startsWith('file:');
  const where = String(module);
  let path: string;
  try {
    path = isUrl ? fileURLToPath(module) : resolve(module as string);
  } catch {
    throw new UsageError(`${where} is no file; name the module that exports the adapter.`);
  }
  const found = await stat(path).catch(() => undefined);
  if (found === undefined || !found.isFile()) throw new UsageError(`There is no adapter module ${where}; name a file that exports one.`);
  return { href: isUrl ? where : pathToFileURL(path).href, where: isUrl ? path : where };
}

/** @returns undefined when a lock that nobody holds was not to be had in that time @throws UsageError when the module has no adapter that works */
export function probe(place: AdapterPlace, threads: number, ms: number): Promise<ProbeAnswer | undefined> {
  return new Promise((resolveAnswer, reject) => {
    const refuse = (why: string): void =>
      reject(new UsageError(`The adapter module ${place.where} cannot be loaded (${why}); correct it and try again.`));
    const worker = new Worker(MODULE, {
      workerData: { ...place, threads },
      stdout: true,
      stderr: true,
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
    });
    worker.stdout.resume();
    worker.stderr.resume();
    const end = (settle: () => void): void => {
      clearTimeout(timer);
      settle();
      void worker.terminate();
    };
    const timer = setTimeout(() => end(() => resolveAnswer(undefined)), ms);
    worker.once('message', (answer: ProbeAnswer | { readonly refused: string }) =>
      end(() => ('refused' in answer ? reject(new UsageError(answer.refused)) : resolveAnswer(answer))),
    );
    worker.once('error', (error) => end(() => refuse(error.message.split('\n', 1)[0] as string)));
    worker.once('exit', (code) => end(() => refuse(`it ended its thread, with exit code ${code}`)));
  });
}
