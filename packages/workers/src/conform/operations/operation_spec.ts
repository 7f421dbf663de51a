/**
 * What every operation of a script must say about itself: how it is written, how its words are read, what the model does.
 * To add an operation, add it to the union and the table of its group.
 * Next: words.ts, then areas.ts as the first group
 */
import type { ScriptMachine } from '../script_machine.ts';
import type { Words } from './words.ts';

/** The model has no such thing yet: the script ends here. */
export interface NotModelled {
  /** In the words of a script: "evict", "advise pageout". */
  readonly notModelled: string;
}

/** An errno or a number from 0 for success; the name of a signal; or the end of the script. */
export type Ended = number | string | NotModelled;

export interface OperationSpec<Op> {
  /** One line for messages: "unmap START LEN". */
  readonly usage: string;
  /** Its record has no events, and its counts include work of the recording program. */
  readonly setUp: boolean;
  /** The words after the name, as values. @throws UsageError with the place of the script for words that do not fit */
  read(words: Words): Op;
  /** Does it in the address space that the CPU is on. */
  run(machine: ScriptMachine, operation: Op): Ended;
}

/** One entry for each name in a union of operations. */
export type OperationTable<Op extends { readonly name: string }> = {
  readonly [Name in Op['name']]: OperationSpec<Extract<Op, { readonly name: Name }>>;
};

export const notModelled = (what: string): NotModelled => ({ notModelled: what });
