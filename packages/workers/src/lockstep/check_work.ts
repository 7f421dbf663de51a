/**
 * After a schedule of programs: the sweeps that follow every run, with the address space and without. Devices serve their requests at once,
 * and nobody works in the background.
 */

import { sweep, type Violation } from '@faultlab/core/invariants/sweep';
import { D_SERVER, type DeviceId, setDeviceField } from '@faultlab/core/io/device_record';
import { forgetKthread, KTHREADS_MAX } from '@faultlab/core/sched/kthread';
import { type DeviceNature, mendBackground } from '../inject/apply.ts';
import dissolve, { type DissolveOrder } from '../program/dissolve_work.ts';
import type { WorkContext } from '../work.ts';

export interface CheckOrder extends DissolveOrder {
  /** What the devices do without injections, which end with the schedule. */
  readonly natures: readonly DeviceNature[];
  readonly seed: number;
}

export default function checkPrograms(context: WorkContext, order: CheckOrder): readonly Violation[] {
  const { cpu } = context;
  mendBackground(cpu.memory, order.natures, order.seed);
  for (let device = 0; device < cpu.memory.size.devices; device++) setDeviceField(cpu.memory, device as DeviceId, D_SERVER, 0);
  for (let id = 0; id < KTHREADS_MAX; id++) forgetKthread(cpu.memory, id);
  const found = sweep(cpu);
  if (found.length > 0) return found;
  dissolve(context, order);
  return sweep(cpu);
}
