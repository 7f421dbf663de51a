/**
 * Registration with userfaultfd. It is read and checked; the model has no userfaultfd yet.
 * Next: by_name.ts
 */
import { notModelled, type OperationTable } from './operation_spec.ts';
import type { PageRange } from './words.ts';

type UffdMode = 'missing' | 'wp';
type UffdAnswer = 'copy' | 'zero';

export interface UffdOperation extends PageRange {
  readonly name: 'uffd';
  readonly mode: UffdMode;
  /** How the second thread answers a missing page. */
  readonly answer: UffdAnswer;
}

export type UserfaultOperation = UffdOperation;

const MODES: ReadonlyMap<string, UffdMode> = new Map([
  ['missing', 'missing'],
  ['wp', 'wp'],
]);
const ANSWERS: ReadonlyMap<string, UffdAnswer> = new Map([
  ['copy', 'copy'],
  ['zero', 'zero'],
]);

export const USERFAULT_OPERATIONS: OperationTable<UserfaultOperation> = {
  uffd: {
    usage: 'uffd START LEN missing|wp [copy|zero]',
    setUp: true,
    read(words) {
      const range = words.range();
      const mode = words.oneOf('the mode', MODES);
      return { name: 'uffd', ...range, mode, answer: words.more ? words.oneOf('the answer', ANSWERS) : 'copy' };
    },
    run: () => notModelled('uffd'),
  },
};
