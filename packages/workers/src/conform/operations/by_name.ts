/**
 * All operations of a script, group by group.
 * Next: ../parse_script.ts
 */
import type { ScriptMachine } from '../script_machine.ts';
import { ACCESS_OPERATIONS, type AccessOperation } from './accesses.ts';
import { AREA_OPERATIONS, type AreaOperation } from './areas.ts';
import { FILE_OPERATIONS, type FileOperation } from './files.ts';
import type { Ended, OperationSpec, OperationTable } from './operation_spec.ts';
import { RECLAIM_OPERATIONS, type ReclaimOperation } from './reclaim.ts';
import { SPACE_OPERATIONS, type SpaceOperation } from './spaces.ts';
import { USERFAULT_OPERATIONS, type UserfaultOperation } from './userfault.ts';

export type Operation = AreaOperation | AccessOperation | SpaceOperation | FileOperation | ReclaimOperation | UserfaultOperation;

const OPERATIONS: OperationTable<Operation> = {
  ...AREA_OPERATIONS,
  ...ACCESS_OPERATIONS,
  ...SPACE_OPERATIONS,
  ...FILE_OPERATIONS,
  ...RECLAIM_OPERATIONS,
  ...USERFAULT_OPERATIONS,
};

export const OPERATION_NAMES: readonly string[] = Object.keys(OPERATIONS);

/** Undefined for a name that is no operation. */
export function operationSpec(name: string): OperationSpec<Operation> | undefined {
  return Object.hasOwn(OPERATIONS, name) ? (OPERATIONS[name as Operation['name']] as OperationSpec<Operation>) : undefined;
}

/** Does one operation in the address space that the CPU is on. */
export function runOperation(machine: ScriptMachine, operation: Operation): Ended {
  const spec = OPERATIONS[operation.name] as OperationSpec<Operation>;
  return spec.run(machine, operation);
}

/** The record of such an operation has no events, and its counts include work of the recording program. */
export const isSetUp = (operation: Operation): boolean => OPERATIONS[operation.name].setUp;
