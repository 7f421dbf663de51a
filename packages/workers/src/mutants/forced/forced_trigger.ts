/**
 * Forced triggers: one interleaving, carried out step by step on one thread. CPU 0 is stopped at named points or in its sleep, and the other CPU
 * makes its steps there. The right model comes through with every invariant; the mutant does not, and always at the same place.
 * Next: area_triggers.ts, page_triggers.ts
 */

import type { VmaId, Vpn } from '@faultlab/core/base/brand';
import { NO_MM, NO_VMA } from '@faultlab/core/base/brand';
import { InvariantError, StallError } from '@faultlab/core/base/errors';
import type { Cpu } from '@faultlab/core/cpu';
import { handle_mm_fault } from '@faultlab/core/fault/handle_mm_fault';
import {
  FAULT_FLAG_DEFAULT,
  FAULT_FLAG_USER,
  FAULT_FLAG_VMA_LOCK,
  FAULT_FLAG_WRITE,
  faultLockDropped,
} from '@faultlab/core/fault/vm_fault';
import { restoreAreas } from '@faultlab/core/mm/area_token';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import { lock_vma_under_rcu, vma_end_read } from '@faultlab/core/mm/vma_lock';
import { NO_MUTANT } from '@faultlab/core/mutants/ids';
import { archByName } from '@faultlab/core/policy/arch_entries';
import { policyByName } from '@faultlab/core/policy/policies';
import { OneThreadMachine } from '../../fault_kinds/one_thread_machine.ts';
import type { Caught } from '../caught.ts';

export interface ForcedTrigger {
  /** Ids of the mutants that it catches. */
  readonly mutants: readonly string[];
  readonly policy?: string;
  readonly arch?: string;
  /** Every attempt is part of a whole fault here, so that the counters must agree, too. */
  readonly whole?: boolean;
  /** CPUs are left in the middle of calls, so that the machine is not at rest in the end. */
  readonly abandoned?: boolean;
  /** Carries the interleaving out. @throws InvariantError when something is seen that must not be */
  run(machine: OneThreadMachine): void;
}

/** Counts that only hold when every attempt is part of a fault; triggers make attempts by themselves. */
const OF_WHOLE_FAULTS = /^(?:Q08|Q11)/;

/** @returns what was wrong with the machine, or undefined @param mutant NO_MUTANT for the right model */
export function runForced(trigger: ForcedTrigger, mutant: number = NO_MUTANT): Caught | undefined {
  const { policy = 'linux-6.18', arch = 'x86' } = trigger;
  const machine = new OneThreadMachine(policyByName(policy), { verify: true, steered: true, mutant, arch: archByName(arch) });
  try {
    trigger.run(machine);
    if (trigger.abandoned === true) return undefined;
    switch_mm(machine.other, NO_MM); // Its use of the address space was the trigger's.
    const [violation] = machine.violations().filter((found) => trigger.whole === true || !OF_WHOLE_FAULTS.test(found));
    return violation === undefined ? undefined : { by: violation.split(':')[0] as string, message: violation };
  } catch (error) {
    if (error instanceof InvariantError) return { by: error.id, message: error.message };
    if (error instanceof StallError) return { by: 'L03', message: error.message };
    throw error;
  }
}

/** One attempt under the VMA lock, which never waits for mmap_lock. @returns whether the page was brought */
export function tryFault(cpu: Cpu, vpn: Vpn, write: boolean): boolean {
  const vma: VmaId = lock_vma_under_rcu(cpu, cpu.mm, vpn);
  if (vma === NO_VMA) return false;
  const flags = FAULT_FLAG_DEFAULT | FAULT_FLAG_USER | FAULT_FLAG_VMA_LOCK | (write ? FAULT_FLAG_WRITE : 0);
  const result = handle_mm_fault(cpu, vma, vpn, flags);
  restoreAreas(cpu); // The attempt is over, and nobody remembers its area.
  if (faultLockDropped(flags, result)) return false;
  vma_end_read(cpu, vma);
  return true;
}

/** @throws InvariantError unless the fact holds */
export function expect(fact: boolean, id: string, message: string): void {
  if (!fact) throw new InvariantError(id, message);
}
