/**
 * What user code does: loads and stores, through the translation cache, the page tables and, if need be, a fault.
 * @kernel none: this is the hardware and the program
 * @fidelity reduced: one 32-bit stamp stands for a page's contents
 * Next: fault/do_user_addr_fault.ts
 */
import { invariant } from '../base/assert.ts';
import type { Pte, Vpn } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { X86_PF_INSTR, X86_PF_PROT, X86_PF_USER, X86_PF_WRITE } from '../fault/arch/error_code.ts';
import { do_user_addr_fault, FAULT_HANDLED, FAULT_SIGNAL_PENDING, type FaultOutcome } from '../fault/do_user_addr_fault.ts';
import { checkFreeze } from '../memory/park.ts';
import { readStamp, writeStamp } from '../mm/folio.ts';
import { PTE_DIRTY, PTE_PRESENT, PTE_RW, pte_pfn } from '../mm/pte.ts';
import { beginAccess, endAccess, hardwareWalk, TLB_MISS, TLB_PROTECTION, tlbLookup } from '../mm/tlb.ts';
import { fatal_signal_pending, signal_pending, takeHandledSignals } from '../sched/task.ts';
import { ACCESSES, ACCESSES_TLB_HIT, ACCESSES_WALK, count_vm_event } from '../trace/counters.ts';
import { TRACE_SIGNAL, TRACE_USER_READ, TRACE_USER_WRITE } from '../trace/events.ts';
import { trace } from '../trace/trace_ring.ts';

/** How an access ended: 0 done, 1 SEGV_MAPERR, 2 SEGV_ACCERR, 3 BUS_ADRERR, 4 out of memory, 5 killed, 6 a guest's page is on the way (never here), 7 BUS_MCEERR_AR. */
export type AccessOutcome = FaultOutcome;
export const ACCESS_OK: AccessOutcome = FAULT_HANDLED;
export const ACCESS_KILLED: AccessOutcome = FAULT_SIGNAL_PENDING;
export const ACCESS_NAMES: readonly string[] = [
  'ok',
  'SEGV_MAPERR',
  'SEGV_ACCERR',
  'BUS_ADRERR',
  'OOM',
  'KILLED',
  'PFAULT',
  'BUS_MCEERR_AR',
];

/** L02: faults of one access that a killed task may still make: it leaves when the next wait of a fault is cut short. */
const KILLED_FAULTS_MAX = 8;

const READ = 0;
const WRITE = 1;
const EXECUTE = 2;
const NEEDS_READ = PTE_PRESENT;
const NEEDS_WRITE: number = PTE_PRESENT | PTE_RW | PTE_DIRTY;

/** Reads one page of the running address space. The stamp found is in cpu.value. @locks none in, none out; may sleep in a fault */
export function userRead(cpu: Cpu, vpn: Vpn): AccessOutcome {
  const outcome = access(cpu, vpn, READ, 0, X86_PF_USER);
  if (outcome === ACCESS_OK) trace(cpu, TRACE_USER_READ, vpn, cpu.value);
  return outcome;
}

/** Writes a stamp to one page of the running address space. */
export function userWrite(cpu: Cpu, vpn: Vpn, stamp: number): AccessOutcome {
  const outcome = access(cpu, vpn, WRITE, stamp, X86_PF_USER | X86_PF_WRITE);
  if (outcome === ACCESS_OK) trace(cpu, TRACE_USER_WRITE, vpn, stamp);
  return outcome;
}

/** Fetches an instruction from one page of the running address space. */
export function userExecute(cpu: Cpu, vpn: Vpn): AccessOutcome {
  return access(cpu, vpn, EXECUTE, 0, X86_PF_USER | X86_PF_INSTR);
}

/** The same accesses made by the kernel on the task's behalf: the fault is not a user fault. */
export function kernelModeAccess(cpu: Cpu, vpn: Vpn, write: boolean, stamp: number): AccessOutcome {
  return access(cpu, vpn, write ? WRITE : READ, stamp, write ? X86_PF_WRITE : 0);
}

function access(cpu: Cpu, vpn: Vpn, kind: number, stamp: number, errorCode: number): AccessOutcome {
  const user = (errorCode & X86_PF_USER) !== 0;
  count_vm_event(cpu, ACCESSES);
  let killed = 0;
  for (;;) {
    const translation = tryAccess(cpu, vpn, kind === WRITE, stamp);
    if (translation > TLB_MISS) return ACCESS_OK;
    const outcome = do_user_addr_fault(cpu, vpn, translation === TLB_PROTECTION ? errorCode | X86_PF_PROT : errorCode);
    if (cpu.verify && fatal_signal_pending(cpu))
      invariant(++killed <= KILLED_FAULTS_MAX, 'L02', 'a task that was killed faults again and again');
    if (outcome !== FAULT_HANDLED && outcome !== FAULT_SIGNAL_PENDING) {
      // The fault's own signal and a SIGKILL are both pending then, and SIGKILL comes first: what ended the wait may be what the fault complains of.
      return user && fatal_signal_pending(cpu) ? ACCESS_KILLED : outcome;
    }
    if (user) {
      deliverSignals(cpu);
      if (fatal_signal_pending(cpu)) return ACCESS_KILLED;
    } else if (outcome === FAULT_SIGNAL_PENDING) return ACCESS_KILLED; // The fixup. After a fault that was handled the kernel's instruction just goes on.
    checkFreeze(cpu);
  }
}

/** One window: find the translation, use it. The stamp is read or written inside, so a shootdown waits for it. */
function tryAccess(cpu: Cpu, vpn: Vpn, write: boolean, stamp: number): Pte {
  const mm = cpu.mm;
  beginAccess(cpu);
  let pte = tlbLookup(cpu, mm, vpn, write ? NEEDS_WRITE : NEEDS_READ);
  if (pte > TLB_MISS) count_vm_event(cpu, ACCESSES_TLB_HIT);
  else {
    pte = hardwareWalk(cpu, mm, vpn, write);
    count_vm_event(cpu, ACCESSES_WALK);
  }
  if (pte > TLB_MISS) {
    if (write) writeStamp(cpu, pte_pfn(pte), stamp);
    else cpu.value = readStamp(cpu, pte_pfn(pte));
  }
  endAccess(cpu);
  return pte;
}

/** The way back to user mode runs the handlers of the signals that are pending; a fatal one stays pending. */
function deliverSignals(cpu: Cpu): void {
  if (!signal_pending(cpu)) return;
  const taken = takeHandledSignals(cpu);
  if (taken !== 0) trace(cpu, TRACE_SIGNAL, taken, 0);
}
