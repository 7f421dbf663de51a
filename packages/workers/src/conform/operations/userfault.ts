/**
 * Registration with userfaultfd, with a second thread that answers (userfault_helper.ts).
 * Next: by_name.ts
 */
import type { UffdId } from '@faultlab/core/base/brand';
import { sys_userfaultfd } from '@faultlab/core/syscalls/userfaultfd';
import { userfaultfd_writeprotect } from '@faultlab/core/syscalls/userfaultfd_ioctl';
import { UFFDIO_REGISTER_MODE_MISSING, UFFDIO_REGISTER_MODE_WP, userfaultfd_register } from '@faultlab/core/syscalls/userfaultfd_register';
import { ARENA_BASE, type ScriptMachine } from '../script_machine.ts';
import type { UffdAnswer } from '../userfault_helper.ts';
import type { OperationTable } from './operation_spec.ts';
import type { PageRange } from './words.ts';

type UffdMode = 'missing' | 'wp';

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
    run: register,
  },
};

/** A context of its own for the range. Pages that are registered for write protection are protected at once. */
function register({ cpu, userfaults }: ScriptMachine, { start, pages, mode, answer }: UffdOperation): number {
  const ctx = sys_userfaultfd(cpu);
  if (ctx < 0) return ctx;
  userfaults.serve(ctx as UffdId, answer);
  const page = ARENA_BASE + start;
  const wp = mode === 'wp';
  const error = userfaultfd_register(cpu, ctx as UffdId, page, pages, wp ? UFFDIO_REGISTER_MODE_WP : UFFDIO_REGISTER_MODE_MISSING);
  return error === 0 && wp ? userfaultfd_writeprotect(cpu, ctx as UffdId, page, pages, true) : error;
}
