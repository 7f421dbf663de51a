/** Runs to export: a real one, kept for all tests of a file, and ones with drawn events. */
import { policyByName } from '@faultlab/core/policy/policies';
import type { TraceEntry } from '@faultlab/core/trace/trace_ring';
import { runScenario } from '@faultlab/workers';
import { timelineOf } from '@faultlab/workers/exports/timeline';
import { bootMachine } from '@faultlab/workers/machine';
import type { RunResult } from '@faultlab/workers/run_result';
import { runScenarioOn } from '@faultlab/workers/run_scenario';
import { machineFor } from '@faultlab/workers/scenario_machine';
import { scenarioByName } from '@faultlab/workers/scenarios/by_name';
import fc from 'fast-check';

/** Whether the disk is slower than the CPU that waits for it is up to the host: longer runs are tried until somebody was woken from a sleep. */
const COUNTS = [40, 160, 640, 2560] as const;

/** Faults that sleep for a slow disk, on two CPUs, with the events of the end. */
export async function slowFileRun(): Promise<RunResult> {
  let result = await runOf(COUNTS[0]);
  for (const count of COUNTS.slice(1)) {
    if (timelineOf(result.trace).wakes.length > 0) break;
    result = await runOf(count);
  }
  return result;
}

async function runOf(count: number): Promise<RunResult> {
  const scenario = scenarioByName('io_convoy_file');
  const policy = policyByName('linux-6.18');
  await using machine = await bootMachine({ policy, cpus: 2, seed: 5, ...machineFor([scenario]), size: { traceEntries: 1024 } });
  return await runScenarioOn(machine, scenario, { count, keepTrace: true });
}

export const failedRun = (): Promise<RunResult> => runScenario('canary', { cpus: 2, seconds: 20, seed: 1 });

type Drawn = readonly [name: string, args: Readonly<Record<string, number>>];

const small = fc.integer({ min: 1, max: 3 });
const flag = fc.integer({ min: 0, max: 1 });
const drawn: fc.Arbitrary<Drawn> = fc.oneof(
  fc.record({ mm: small, write: flag }).map((args): Drawn => ['mmap_lock_start_locking', args]),
  fc.record({ mm: small, write: flag, success: flag }).map((args): Drawn => ['mmap_lock_acquire_returned', args]),
  fc.record({ mm: small, write: flag }).map((args): Drawn => ['mmap_lock_released', args]),
  fc.record({ vma: small, vpn: small, result: flag }).map((args): Drawn => ['vma_start_read', args]),
  fc.record({ vma: small }).map((args): Drawn => ['vma_end_read', args]),
  fc.record({ vpn: small, error_code: small }).map((args): Drawn => ['page_fault_user', args]),
  fc.record({ vpn: small, flags: small, result: fc.constantFrom(0, 0x400, 0x4000) }).map((args): Drawn => ['handle_mm_fault', args]),
  fc.record({ interruptible: flag, kind: small, us: fc.integer({ min: 0, max: 200 }) }).map((args): Drawn => ['sleep', args]),
  fc.record({ target_cpu: fc.integer({ min: 0, max: 3 }) }).map((args): Drawn => ['sched_waking', args]),
  fc.record({ vpn: small, value: small }).map((args): Drawn => ['user_read', args]),
);

/** Any order of any events, on up to three CPUs, also over the end of the clock's 32 bits. */
export const traces: fc.Arbitrary<TraceEntry[][]> = fc
  .tuple(
    fc.constantFrom(0, 1000, 2 ** 32 - 300),
    fc.array(fc.array(fc.tuple(drawn, fc.integer({ min: 0, max: 60 })), { maxLength: 30 }), { minLength: 1, maxLength: 3 }),
  )
  .map(([startUs, cpus]) =>
    cpus.map((events, cpu) => {
      let timeUs = startUs;
      return events.map(([[name, args], pause], position): TraceEntry => {
        timeUs = (timeUs + pause) % 2 ** 32;
        return { cpu, sequence: position + 1, timeUs, name, args };
      });
    }),
  );
