/**
 * The address space that a CPU's task runs on.
 * @kernel arch/x86/mm/tlb.c switch_mm_irqs_off()
 * @fidelity reduced: no lazy mode; leaving an address space empties the translations
 * Next: user/access.ts
 */
import type { MmId } from '../base/brand.ts';
import { NO_MM } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { cpumaskClear, cpumaskSet } from './mm_struct.ts';
import { becomeTaskOf } from './task_mm.ts';
import { flushLocalAll } from './tlb.ts';

/**
 * From now on user accesses of this CPU go to that address space; NO_MM for none. The caller keeps a reference on it as long as it runs there.
 * The bit in the mask is set before the first translation is read. Pairs with: flush_tlb_range().
 */
export function switch_mm(cpu: Cpu, mm: MmId): void {
  const previous = cpu.mm;
  if (previous === mm) return;
  if (mm !== NO_MM) cpumaskSet(cpu, mm, cpu.id);
  becomeTaskOf(cpu, mm);
  if (previous === NO_MM) return;
  flushLocalAll(cpu);
  cpumaskClear(cpu, previous, cpu.id);
}
