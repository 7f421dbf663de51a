/**
 * What is printed about a schedule that failed: what broke and where, what every CPU was doing, and how to have it again.
 */
import { laneTrace } from '../report/lane_trace.ts';
import type { ExploreFailure } from './explore_options.ts';
import type { LaneStep } from './lane_step.ts';

const FRAMES_SHOWN = 8;

/** @param lanes steps of the schedule, if they were recorded */
export function exploreFailureBlock(failure: ExploreFailure, lanes: readonly LaneStep[] = []): string[] {
  const lines: string[] = [];
  for (const { id, message, cpu, stack, state } of failure.findings) {
    const where = cpu === undefined ? 'the check after the schedule' : `CPU ${cpu}`;
    const broken = /^(?:deadlock|livelock|hang|threw)$/.test(id) ? id : `${id} broken`;
    lines.push(`!!! ${broken}, found by ${where}: ${message}`);
    const frames = stack.split('\n').filter((line) => /^\s+at /.test(line));
    lines.push(...frames.slice(0, FRAMES_SHOWN), '', ...state, '');
  }
  if (lanes.length > 0) lines.push(...laneTrace(lanes, failure.findings[0]), '');
  const { schedule, steps, hash, choices, again } = failure;
  lines.push(`Schedule ${schedule}: ${steps} operations, ${choices.length} choices that are not the default, hash ${hash.toString(16)}.`);
  lines.push(again === undefined ? 'It has no name, so only its programs and choices repeat it.' : `Again:\n  faultlab again ${again}`);
  return lines;
}
