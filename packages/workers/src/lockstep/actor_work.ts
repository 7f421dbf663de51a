/**
 * The work of every CPU in an exploration of programs: a program, or what a device or a background thread does in a machine that runs freely.
 * Next: ../program/program_work.ts
 */
import { cpuOffline, cpuOnline } from '@faultlab/core/boot';
import type { DeviceId } from '@faultlab/core/io/device_record';
import { DeviceServer } from '@faultlab/core/io/device_server';
import type { LatencyModel } from '@faultlab/core/io/latency_model';
import { KTHREAD_NAMES, type KthreadName, kthread } from '@faultlab/core/sched/kthread';
import { KTHREAD_WORKS } from '../background/kthread_works.ts';
import runProgram, { type ProgramOrder } from '../program/program_work.ts';
import type { WorkContext } from '../work.ts';

export type Actor =
  | { readonly kind: 'program'; readonly order: ProgramOrder }
  | { readonly kind: 'device'; readonly device: number; readonly latency: LatencyModel }
  | { readonly kind: 'kthread'; readonly name: KthreadName }
  /** A CPU whose program shrinking has left out: it does not come. */
  | { readonly kind: 'absent' };

export default function act(context: WorkContext, actor: Actor): void {
  const { cpu, seed } = context;
  switch (actor.kind) {
    case 'program':
      runProgram(context, actor.order);
      return;
    case 'device': {
      context.arrive();
      new DeviceServer(cpu, actor.device as DeviceId, actor.latency, seed).serve();
      return;
    }
    case 'absent':
      return;
    case 'kthread':
      context.arrive();
      kthread(cpu, KTHREAD_NAMES.indexOf(actor.name), KTHREAD_WORKS[actor.name](), { leave: cpuOffline, enter: cpuOnline });
  }
}
