/**
 * The operations of a program as a list, all of them or those that are left of it. Draws depend on nothing that happens in a run, so what is
 * left out changes no other operation.
 * Next: draw_op.ts
 */
import { OpSource } from './draw_op.ts';
import { type Op, op, resizeOp } from './op.ts';
import type { KeptOp, Program } from './program.ts';

/** The first `length` operations of CPU `cpu`. @param cpus that have a program and are no helpers */
export function firstOps(program: Program, length: number, seed: number, cpu: number, cpus: number): Op[] {
  const { body } = program;
  if (!('draw' in body)) return Array.from({ length }, (_, index) => ({ ...(body.list[index % body.list.length] as Op) }));
  const source = new OpSource(body.draw, program, seed, cpu, cpus);
  return Array.from({ length }, () => {
    const drawn = op('nop');
    source.draw(drawn);
    return drawn;
  });
}

/** How many operations a program with a count has. */
export const opCount = ({ body, count = 0 }: Program): number => ('draw' in body ? count : count * body.list.length);

/** Those that are left. */
export function keptOps(program: Program, only: readonly KeptOp[], seed: number, cpu: number, cpus: number): Op[] {
  const all = firstOps(program, (only.at(-1)?.index ?? -1) + 1, seed, cpu, cpus);
  return only.map(({ index, size }) => {
    const kept = all[index] as Op;
    if (size !== undefined) resizeOp(kept, size);
    return kept;
  });
}
