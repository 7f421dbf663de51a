/**
 * What a machine's block devices are like: the options a caller gives, the defaults, and the sentences that refuse a bad value.
 * Next: device_threads.ts
 */
import { readFileSync } from 'node:fs';
import { UsageError } from '@faultlab/core/base/errors';
import type { LatencyModel } from '@faultlab/core/io/latency_model';
import { parseLatency, parseLatencyList } from '@faultlab/core/io/parse_latency';

export interface DeviceOptions {
  /** How long a request takes, as text such as `fixed:100us` (core's parse_latency.ts has the forms) or as data. `zero` when not given. */
  readonly latency?: string | LatencyModel;
  /** Requests served at the same time. */
  readonly queueDepth?: number;
  /** What it holds at first: the files that the page cache knows, or zeroes. */
  readonly contents?: 'files' | 'blank';
  /** Share of the requests that fail, from 0 to 1. */
  readonly errorRate?: number;
}

/** The same with every choice made. */
export interface DeviceConfig {
  readonly latency: LatencyModel;
  readonly queueDepth: number;
  readonly contents: 'files' | 'blank';
  readonly errorRate: number;
}

const QUEUE_DEPTH_DEFAULT = 32;
const QUEUE_DEPTH_MAX = 4096;

/** @throws UsageError naming the device, the option and its bounds */
export function resolveDevice(options: DeviceOptions, position: number): DeviceConfig {
  const { latency = 'zero', queueDepth = QUEUE_DEPTH_DEFAULT, contents = 'files', errorRate = 0 } = options;
  if (!Number.isInteger(queueDepth) || queueDepth < 1 || queueDepth > QUEUE_DEPTH_MAX) {
    throw new UsageError(`devices[${position}].queueDepth is ${queueDepth}, but it must be a whole number from 1 to ${QUEUE_DEPTH_MAX}.`);
  }
  if (contents !== 'files' && contents !== 'blank') {
    throw new UsageError(`devices[${position}].contents is ${JSON.stringify(contents)}, but it must be "files" or "blank".`);
  }
  if (!(errorRate >= 0 && errorRate <= 1)) {
    throw new UsageError(`devices[${position}].errorRate is ${errorRate}, but it must be a number from 0 to 1.`);
  }
  return { latency: typeof latency === 'string' ? readLatency(latency) : latency, queueDepth, contents, errorRate };
}

/** A device whose requests take no time has no thread: every submitter serves its own. */
export const needsThread = (device: DeviceConfig): boolean => device.latency.kind !== 'zero';

/** The model that a text stands for, read from its file if it names one. @throws UsageError with what was expected */
export function readLatency(text: string): LatencyModel {
  const parsed = parseLatency(text);
  if (parsed.kind !== 'file') return parsed;
  let times: string;
  try {
    times = readFileSync(parsed.path, 'utf8');
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    throw new UsageError(
      `The list of latencies ${JSON.stringify(parsed.path)} cannot be read (${code}); name a file with a time on each line.`,
    );
  }
  return parseLatencyList(times, parsed.path);
}
