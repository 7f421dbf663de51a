/** C13: when nearly every fault waits for the device, the device decides. */
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { policyByName } from '@faultlab/core/policy/policies';
import { workingSetFarBeyondMemory } from '../scenarios/working_set_far_beyond_memory.ts';
import { atLeast, atMost, type Claim, judgeAll, median, said } from './claim.ts';
import { type ClaimRuns, fromScenario } from './claim_runs.ts';
import { HOLD, MAINLINE, MMAP_DROP, RETRY_VMA } from './variants.ts';

const CPUS = 8;
const IO_MS = 5;
const QUEUE_DEPTH = 2;
const SECONDS = 1.2;
const OTHERS = 1;
const POLICIES: readonly FaultPolicy[] = [MMAP_DROP, MAINLINE, RETRY_VMA, HOLD, policyByName('reacquire')];
/** Pages a second that the device reads if it is never idle, one page at a time. */
const DEVICE = (QUEUE_DEPTH * 1000) / IO_MS;

async function pagesRead(runs: ClaimRuns, policy: FaultPolicy): Promise<number> {
  const run = fromScenario(workingSetFarBeyondMemory, CPUS, [{ latency: `fixed:${IO_MS}ms`, queueDepth: QUEUE_DEPTH }]);
  const { sample } = await runs.run({ ...run, policy, seconds: SECONDS });
  return sample.pagesRead / sample.seconds;
}

export const C13: Claim<'mmapOnly' | 'mainline' | 'retryVma' | 'hold' | 'reacquire' | 'device' | 'apart'> = {
  id: 'C13',
  title: 'No policy helps when the working set is far larger than memory',
  claim: 'A system whose working set does not fit its memory at all is misconfigured: every policy waits for the device.',
  source: 'Shakeel Butt, 27 to 30 November 2025; Barry Song agreed for that case',
  setup: `${CPUS} CPUs read pages of a file at random, of which the memory cgroup holds a sixteenth (scenario working_set_far_beyond_memory); the device takes ${IO_MS} ms for a page, ${QUEUE_DEPTH} at a time. Five policies in turn, ${SECONDS} s each.`,
  expected:
    'The medians of the policies lie at most 20 % apart (open to 35 %), and the slowest reads at 60 % of the speed of the device or more (open from 45 %).',
  cannotTell: 'Which policy spends less CPU on the way.',
  decidedBy: 'time',
  figures: {
    mmapOnly: { name: 'pages read, linux-6.0', unit: '1/s' },
    mainline: { name: 'pages read, linux-6.18', unit: '1/s' },
    retryVma: { name: 'pages read, retry-vma', unit: '1/s' },
    hold: { name: 'pages read, hold', unit: '1/s' },
    reacquire: { name: 'pages read, reacquire', unit: '1/s' },
    device: { name: 'pages that the device can read', unit: '1/s' },
    apart: { name: 'fastest policy less slowest', unit: '% of the slowest' },
  },
  async measure(runs) {
    const samples = await runs.interleaved(POLICIES, OTHERS, (policy) => pagesRead(runs, policy));
    const [mmapOnly = 0, mainline = 0, retryVma = 0, hold = 0, reacquire = 0] = samples.map(median);
    const all = [mmapOnly, mainline, retryVma, hold, reacquire];
    return { mmapOnly, mainline, retryVma, hold, reacquire, device: DEVICE, apart: 100 * (Math.max(...all) / Math.min(...all) - 1) };
  },
  judge({ mmapOnly, mainline, retryVma, hold, reacquire, device, apart }) {
    const slowest = Math.min(mmapOnly, mainline, retryVma, hold, reacquire);
    return judgeAll([
      { what: `the policies lie ${said(apart)} % apart`, met: atMost(apart, 20, 35) },
      { what: `the slowest reads ${said(slowest)} of ${said(device)} pages a second`, met: atLeast(slowest / device, 0.6, 0.45) },
    ]);
  },
};
