/**
 * What shrinking has left of the programs of an exploration: which CPUs still have one, which of their operations, on how many pages, and which
 * areas are laid out. As text, for a word that repeats a failure: `0.3.7x1.12_2.5_l.0.2` is
 *
 *   CPU 0: operations 3, 7 (on one page) and 12     CPU 2: operation 5     CPU 1: does not come     layout: operations 0 and 2
 *
 * Next: shrink.ts
 */
import { UsageError } from '@faultlab/core/base/errors';
import type { KeptOp, Program } from '../program/program.ts';

export interface ProgramCuts {
  /** By CPU; whoever is not in it, and is no helper, does not come. */
  readonly programs: ReadonlyMap<number, readonly KeptOp[]>;
  /** Operations of the layout; undefined: all. */
  readonly layout: readonly number[] | undefined;
}

const NONE = '-';
const LAYOUT = 'l';

export function cutsText(cuts: ProgramCuts | undefined): string {
  if (cuts === undefined) return NONE;
  const op = ({ index, size }: KeptOp): string => `.${index}${size === undefined ? '' : `x${size}`}`;
  const parts = [...cuts.programs].map(([cpu, kept]) => `${cpu}${kept.map(op).join('')}`);
  if (cuts.layout !== undefined) parts.push([LAYOUT, ...cuts.layout].join('.'));
  return parts.join('_');
}

/** @throws UsageError when the text is no such list */
export function parseCuts(text: string): ProgramCuts | undefined {
  if (text === NONE) return undefined;
  const programs = new Map<number, KeptOp[]>();
  let layout: number[] | undefined;
  for (const part of text.split('_')) {
    if (!/^(?:\d{1,2}(?:\.\d{1,7}(?:x\d{1,6})?)*|l(?:\.\d{1,7})*)$/.test(part)) {
      throw new UsageError(`"${part}" does not say what is left of a program; it must be a CPU and its operations, such as "0.3.7x1".`);
    }
    const [whose = '', ...numbers] = part.split('.');
    if (whose === LAYOUT) layout = numbers.map(Number);
    else programs.set(Number(whose), numbers.map(keptOp));
  }
  return { programs, layout };
}

function keptOp(text: string): KeptOp {
  const [index, size] = text.split('x').map(Number);
  return { index: index as number, ...(size === undefined ? {} : { size }) };
}

/** The program that is left of CPU `cpu`'s; undefined: none. Helpers stay as they are, because others wait for them. */
export function cutProgram(program: Program, cpu: number, cuts: ProgramCuts | undefined): Program | undefined {
  if (cuts === undefined || program.helper === true) return program;
  const only = cuts.programs.get(cpu);
  return only === undefined ? undefined : { ...program, only };
}
