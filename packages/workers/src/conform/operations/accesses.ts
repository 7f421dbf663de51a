/**
 * Operations that access one page: by the program, by the kernel for it, and through GUP.
 * Next: spaces.ts
 */
import type { Vpn } from '@faultlab/core/base/brand';
import { ACCESS_NAMES, userRead, userWrite } from '@faultlab/core/user/access';
import { kernelWrite, processVmRead, processVmWrite } from '@faultlab/core/user/kernel_access';
import { ARENA_BASE } from '../script_machine.ts';
import type { OperationTable } from './operation_spec.ts';
import type { Words } from './words.ts';

export interface TouchOperation {
  readonly name: 'touch';
  readonly page: number;
  readonly write: boolean;
}

interface PageOperation<Name extends string> {
  readonly name: Name;
  readonly page: number;
}

export type AccessOperation = TouchOperation | PageOperation<'peek'> | PageOperation<'poke'> | PageOperation<'copyin'>;

const KINDS: ReadonlyMap<string, boolean> = new Map([
  ['r', false],
  ['w', true],
]);
/** Values that a write leaves in a page. Nothing compares them; they only differ from fresh memory and from each other. */
const touchStamp = (page: number): number => (page % 250) + 1;
const POKE_STAMP = 251;
const COPYIN_STAMP = 252;

const vpn = (page: number): Vpn => (ARENA_BASE + page) as Vpn;

const onePage = <Name extends string>(name: Name) => ({
  usage: `${name} PAGE`,
  setUp: false,
  read: (words: Words): PageOperation<Name> => ({ name, page: words.page() }),
});

export const ACCESS_OPERATIONS: OperationTable<AccessOperation> = {
  touch: {
    usage: 'touch PAGE r|w',
    setUp: false,
    read: (words) => ({ name: 'touch', page: words.page(), write: words.oneOf('the kind of access', KINDS) }),
    run({ cpu }, { page, write }) {
      const outcome = write ? userWrite(cpu, vpn(page), touchStamp(page)) : userRead(cpu, vpn(page));
      return ACCESS_NAMES[outcome] as string;
    },
  },
  peek: { ...onePage('peek'), run: ({ cpu }, { page }) => processVmRead(cpu, cpu.mm, vpn(page)) },
  poke: { ...onePage('poke'), run: ({ cpu }, { page }) => processVmWrite(cpu, cpu.mm, vpn(page), POKE_STAMP) },
  copyin: { ...onePage('copyin'), run: ({ cpu }, { page }) => kernelWrite(cpu, vpn(page), COPYIN_STAMP) },
};
