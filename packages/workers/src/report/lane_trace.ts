/**
 * A schedule as lanes: one column for each CPU that moved, of each stretch only the first and the last step, and why the next CPU moved then.
 *
 *       CPU 0                                      CPU 1
 *    1  munmap at=4096 pages=1
 *       ... 34 steps
 *   36    vma_start_write: vma 3, word 4: 1 -> 0x40000001
 *         -- preempted
 *   37                                             read page=4096
 *   ...
 *
 * Next: ../lockstep/lane_recorder.ts
 */
import { STEP_PARK, STEP_POINT, STEP_READ, STEP_RELAX, STEP_WAKE } from '@faultlab/core/memory/step_gate';
import type { LaneStep } from '../lockstep/lane_step.ts';
import type { Finding } from '../lockstep/lockstep_order.ts';

/** Lines of a trace that is to be read at a glance. */
export const LANE_LINES_MAX = 25;
const WIDTH_MAX = 76;
const HEX_FROM = 1000;

interface Line {
  readonly cpu: number;
  /** Undefined: the line is no step. */
  readonly step: number | undefined;
  readonly text: string;
}

/** Steps of one CPU without another's between them. */
interface Stretch {
  readonly cpu: number;
  readonly steps: readonly LaneStep[];
}

/**
 * @param titles of the CPUs @param linesMax how many lines, header included; what is left out is counted in one of them
 * @returns the lines, none of them when nothing was recorded
 */
export function laneTrace(
  lanes: readonly LaneStep[],
  finding: Pick<Finding, 'id' | 'message' | 'cpu'> | undefined,
  titles: readonly string[] = [],
  linesMax: number = LANE_LINES_MAX,
): string[] {
  if (lanes.length === 0) return [];
  const stretches = stretchesOf(lanes);
  const shownOp = new Map<number, number>();
  const blocks = stretches.map((stretch, index) => stretchLines(stretch, lanes, stretches[index + 1], shownOp));
  const end: Line[] = [];
  if (finding !== undefined) {
    const where = finding.cpu ?? (stretches.at(-1) as Stretch).cpu;
    const when = finding.cpu === undefined ? 'after the schedule: ' : '';
    end.push({ cpu: where, step: undefined, text: `!!! ${when}${finding.id}: ${finding.message}` });
  }
  const room = linesMax - 1 - end.length;
  let first = 0;
  let count = blocks.reduce((sum, block) => sum + block.length, 0);
  while (count > room && first < blocks.length - 1) {
    if (first === 0) count++; // The line that says so.
    count -= (blocks[first++] as readonly Line[]).length;
  }
  const lines = [...blocks.slice(first).flat(), ...end];
  const note = first === 0 ? [] : [`       ... ${first} stretches before`];
  return columns(lines, titles, note);
}

function stretchesOf(lanes: readonly LaneStep[]): Stretch[] {
  const found: { cpu: number; steps: LaneStep[] }[] = [];
  for (const step of lanes) {
    const last = found.at(-1);
    if (last?.cpu === step.cpu) last.steps.push(step);
    else found.push({ cpu: step.cpu, steps: [step] });
  }
  return found;
}

/** @param shownOp the operation of each CPU that was named last */
function stretchLines(stretch: Stretch, lanes: readonly LaneStep[], next: Stretch | undefined, shownOp: Map<number, number>): Line[] {
  const { cpu, steps } = stretch;
  const lines: Line[] = [];
  const [first, last] = [steps[0] as LaneStep, steps.at(-1) as LaneStep];
  const woke = wokenBy(first, lanes);
  if (woke !== undefined) lines.push({ cpu, step: undefined, text: `  -- ${woke}` });
  if (steps.every((step) => step.op === '')) {
    lines.push(...served(stretch, lanes, next));
    return lines;
  }
  for (const ops of new Set(steps.map((step) => step.ops))) {
    const own = steps.filter((step) => step.ops === ops);
    const [begin, end] = [own[0] as LaneStep, own.at(-1) as LaneStep];
    const isNew = shownOp.get(cpu) !== ops;
    const whole = end !== last;
    if (isNew) {
      const name = lanes.find((step) => step.cpu === cpu && step.ops === ops && step.op !== '')?.op ?? (ops === 0 ? 'comes' : 'ends');
      lines.push({ cpu, step: begin.step, text: whole && own.length > 1 ? `${name} (${own.length} steps)` : name });
      shownOp.set(cpu, ops);
    } else lines.push({ cpu, step: begin.step, text: `  ${stepText(begin)}` });
    if (whole) continue;
    const between = own.length - (isNew ? 1 : 2);
    if (between > 0) lines.push({ cpu, step: undefined, text: `  ... ${between} step${between === 1 ? '' : 's'}` });
    if (isNew || own.length > 1) lines.push({ cpu, step: end.step, text: `  ${stepText(end)}` });
  }
  if (next !== undefined) lines.push({ cpu, step: undefined, text: `  -- ${reasonOf(last, lanes)}` });
  return lines;
}

/** A stretch between two operations, or of a CPU that has none: only its end is told. */
function served({ cpu, steps }: Stretch, lanes: readonly LaneStep[], next: Stretch | undefined): Line[] {
  const last = steps.at(-1) as LaneStep;
  const many = steps.length === 1 ? '' : `... ${steps.length} steps, `;
  if (next !== undefined && (last.slept || last.last))
    return [{ cpu, step: last.step, text: `  ... ${steps.length} steps -- ${reasonOf(last, lanes)}` }];
  const lines: Line[] = [{ cpu, step: last.step, text: `  ${many}${stepText(last)}` }];
  if (next !== undefined) lines.push({ cpu, step: undefined, text: `  -- ${reasonOf(last, lanes)}` });
  return lines;
}

/** Why another CPU moved after that step. */
function reasonOf(last: LaneStep, lanes: readonly LaneStep[]): string {
  if (last.last) return 'has ended';
  if (last.slept) return `waits: ${last.waits ?? `sleeps on ${last.name}`}`;
  const after = lanes.find((step) => step.cpu === last.cpu && step.step > last.step);
  if (after?.kind === STEP_RELAX) return `spins: ${after.waits?.replace(/, held by .*/, '') ?? after.where}`;
  return 'preempted';
}

/** What ended the sleep of the CPU before that step. */
function wokenBy(first: LaneStep, lanes: readonly LaneStep[]): string | undefined {
  const before = lanes.findLast((step) => step.cpu === first.cpu && step.step < first.step);
  if (before?.slept !== true) return undefined;
  if (before.woke !== 'woken') return before.woke === undefined ? undefined : 'its time is out';
  const by = lanes.find((step) => step.kind === STEP_WAKE && step.word === before.word && step.step > before.step);
  return by === undefined ? 'woken' : `woken by CPU ${by.cpu}`;
}

function stepText({ kind, name, before, after, where }: LaneStep): string {
  const text = ((): string => {
    switch (kind) {
      case STEP_POINT:
        return `point ${name}`;
      case STEP_RELAX:
        return 'looks again';
      case STEP_PARK:
        return `sleeps while ${name} is ${valueText(before)}`;
      case STEP_WAKE:
        return `wakes sleepers of ${name}`;
      case STEP_READ:
        return `${name} is ${valueText(before)}`;
      default:
        return before === after ? `${name} stays ${valueText(after)}` : `${name}: ${valueText(before)} -> ${valueText(after)}`;
    }
  })();
  return where === '' ? text : `${where}: ${text}`;
}

const valueText = (value: number): string => (value > -HEX_FROM && value < HEX_FROM ? String(value) : `0x${(value >>> 0).toString(16)}`);

function columns(lines: readonly Line[], titles: readonly string[], note: readonly string[]): string[] {
  const cpus = [...new Set(lines.map((line) => line.cpu))].sort((a, b) => a - b);
  const title = (cpu: number): string => titles[cpu] ?? `CPU ${cpu}`;
  const cut = (text: string): string => (text.length > WIDTH_MAX ? `${text.slice(0, WIDTH_MAX - 3)}...` : text);
  const widths = cpus.map((cpu) =>
    Math.max(...lines.filter((line) => line.cpu === cpu).map(({ text }) => cut(text).length), title(cpu).length),
  );
  const row = (number: string, texts: readonly string[]): string =>
    `${number.padStart(5)}  ${texts.map((text, at) => text.padEnd(widths[at] as number)).join('  ')}`.trimEnd();
  const inLane = ({ cpu, step, text }: Line): string =>
    row(
      step === undefined ? '' : String(step),
      cpus.map((other) => (other === cpu ? (text.startsWith('!!!') && other === cpus.at(-1) ? text : cut(text)) : '')),
    );
  return [row('', cpus.map(title)), ...note, ...lines.map(inLane)];
}
