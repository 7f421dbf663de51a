/**
 * What is printed about a schedule that failed: what broke and where, what every CPU was doing, and how to have it again.
 */
import type { ExploreFailure } from './explore.ts';

const FRAMES_SHOWN = 8;

export function exploreFailureBlock(failure: ExploreFailure): string[] {
  const lines: string[] = [];
  for (const { id, message, cpu, stack, state } of failure.findings) {
    const where = cpu === undefined ? 'the check after the schedule' : `CPU ${cpu}`;
    const broken = /^(?:deadlock|livelock|hang|threw)$/.test(id) ? id : `${id} broken`;
    lines.push(`!!! ${broken}, found by ${where}: ${message}`);
    const frames = stack.split('\n').filter((line) => /^\s+at /.test(line));
    lines.push(...frames.slice(0, FRAMES_SHOWN), '', ...state, '');
  }
  const { schedule, steps, hash, choices, again } = failure;
  lines.push(`Schedule ${schedule}: ${steps} operations, ${choices.length} choices that are not the default, hash ${hash.toString(16)}.`);
  lines.push(again === undefined ? 'It has no name, so only its programs and choices repeat it.' : `Again:\n  faultlab again ${again}`);
  return lines;
}
