/**
 * Lock order as text: which classes were taken under which, and what a wrong order leads to when two CPUs meet in it.
 */
import { lockClassName } from '@faultlab/core/locking/lock_class';
import type { LockOrderEdge } from '@faultlab/core/locking/lock_order_graph';
import { opName } from '../program/op.ts';
import { textTable } from './text_table.ts';

/** @returns lines: a row for each pair of classes, with the operation that was the first to take them so; none when nothing was recorded */
export function lockOrderTable(edges: readonly LockOrderEdge[]): string[] {
  if (edges.length === 0) return [];
  const rows = edges.map(({ held, taken, cpu, opKind }) => [lockClassName(held), lockClassName(taken), `${opName(opKind)} on CPU ${cpu}`]);
  return ['Lock order seen (sleeping locks)', ...textTable(['held', 'then taken', 'first by'], rows, ['left', 'left', 'left'])];
}

/** How two CPUs would wait for each other for ever: one with the order that was found, one with the order that the model demands. */
export function scenarioBox({ wanted, held }: { readonly wanted: string; readonly held: string }): string[] {
  if (held === wanted) return [];
  const rows = [
    [`lock(${held})`, ''],
    ['', `lock(${wanted})`],
    ['', `lock(${held})   waits for CPU A`],
    [`lock(${wanted})   waits for CPU B`, ''],
  ];
  const lines = textTable(['CPU A (this order was found)', 'CPU B (the right order)'], rows, ['left', 'left']);
  return ['What this order can lead to:', ...lines.map((line) => `  ${line}`), '  Both wait for ever: a deadlock.'];
}
