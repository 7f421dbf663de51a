/** Faults on anonymous memory that is nowhere or in memory: nobody waits for a device. */
import type { Vpn } from '@faultlab/core/base/brand';
import { MAP_GROWSDOWN } from '@faultlab/core/mm/mman';
import { sys_fork } from '@faultlab/core/syscalls/dup_mmap';
import { userRead, userWrite } from '@faultlab/core/user/access';
import { kernelWrite, processVmRead } from '@faultlab/core/user/kernel_access';
import type { FaultKind } from './fault_kind.ts';

const PAGES = 8;
const next = (vpn: Vpn, by = 1): Vpn => (vpn + by) as Vpn;

export const ANONYMOUS_KINDS: readonly FaultKind[] = [
  {
    name: 'anonymous: first write of an area',
    rows: [6, 7],
    prepare: (machine) => {
      const area = machine.map(PAGES);
      return () => userWrite(machine.cpu, area, 1);
    },
  },
  {
    name: 'anonymous: write',
    rows: [5],
    prepare: (machine) => {
      const area = machine.map(PAGES);
      userWrite(machine.cpu, area, 1);
      return () => userWrite(machine.cpu, next(area), 1);
    },
  },
  {
    name: 'anonymous: read',
    rows: [4],
    prepare: (machine) => {
      const area = machine.map(PAGES);
      userWrite(machine.cpu, area, 1);
      return () => userRead(machine.cpu, next(area));
    },
  },
  {
    name: 'anonymous: write after fork, copied',
    rows: [28],
    prepare: (machine) => {
      const area = machine.map(PAGES);
      userWrite(machine.cpu, area, 1);
      sys_fork(machine.cpu);
      return () => userWrite(machine.cpu, area, 2);
    },
  },
  {
    name: 'anonymous: stack grows',
    rows: [5],
    prepare: (machine) => {
      const stack = machine.map(PAGES, { flags: MAP_GROWSDOWN, at: 0x1000 });
      userWrite(machine.cpu, stack, 1);
      return () => userWrite(machine.cpu, next(stack, -1), 1);
    },
  },
  {
    name: 'anonymous: write by the kernel (copy_to_user)',
    rows: [5],
    prepare: (machine) => {
      const area = machine.map(PAGES);
      userWrite(machine.cpu, area, 1);
      return () => kernelWrite(machine.cpu, next(area), 1);
    },
  },
  {
    name: 'anonymous: read by GUP',
    rows: [4],
    prepare: (machine) => {
      const area = machine.map(PAGES);
      userWrite(machine.cpu, area, 1);
      return () => processVmRead(machine.cpu, machine.mm, next(area));
    },
  },
];
