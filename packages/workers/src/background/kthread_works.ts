/**
 * What each background thread does, by its name.
 * Next: core's io/writeback_thread.ts, reclaim/kswapd.ts, reclaim/oom_reaper.ts
 */
import { writebackWork } from '@faultlab/core/io/writeback_thread';
import { kswapdWork } from '@faultlab/core/reclaim/kswapd';
import { oomReaperWork } from '@faultlab/core/reclaim/oom_reaper';
import type { KthreadName, KthreadWork } from '@faultlab/core/sched/kthread';

export const KTHREAD_WORKS: Readonly<Record<KthreadName, () => KthreadWork>> = {
  writeback: writebackWork,
  kswapd: kswapdWork,
  oom_reaper: oomReaperWork,
};
