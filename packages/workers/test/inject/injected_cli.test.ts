/** What no run survives, on the command line: it ends soon, with exit code 3, and says who holds what, what is owed, and who waits for it. */
import { tmpdir } from 'node:os';
import { assert, suite } from '@faultlab/test-support';
import { faultlab, mainHere } from '../soak/fixtures.ts';

const test = suite('injected runs: command line');

const stress = (scenario: string, inject: string): string[] => [
  ...[
    'stress',
    '--scenario',
    scenario,
    '--inject',
    inject,
    '--cpus',
    '4',
    '--seconds',
    '60',
    '--stall-ms',
    '4000',
    '--seed',
    '11',
    '--no-dir',
  ],
];

const FINAL: readonly (readonly [scenario: string, inject: string, report: readonly RegExp[]])[] = [
  [
    'cold_readers',
    'silent_device:after=20',
    [
      /ha(?:s|ve) made no progress for 4000 ms\./,
      /I\/O request 21 of device 0 since \d+ ms \(read of pages? [\d-]+ of extent \d+, from CPU \d; queued; (CPU [\d, ]+ waits? for it|nobody waits for it)\)/,
      /; CPU [\d, ]+ waits? for it\)/,
      /^injected: silent_device 1$/m,
    ],
  ],
  [
    'munmap_storm',
    'kill_cpu:cpu=1,after=20,point=mmap_write_locked',
    [
      /1 +(?:parked|running) .* mmap_lock of mm \d+ \(write\) .*nothing any more since an injected stop of CPU 1 /,
      /^injected: kill_cpu 1$/m,
    ],
  ],
  [
    'kswapd_pressure',
    'kill_cpu:thread=kswapd,after=50',
    [/(parked|running) +kswapd thread .*\((?:write|read)\) +nothing any more since an injected stop of CPU \d /, /^injected: kill_cpu 1$/m],
  ],
];

for (const [scenario, inject, report] of FINAL) {
  test(
    `${inject} ends ${scenario} with a report`,
    async () => {
      const { code, out, errors } = await faultlab(stress(scenario, inject), tmpdir());
      assert.is(code, 3, `${out.slice(-3_000)}\n${errors.slice(-1_000)}`);
      for (const line of report) assert.match(out, line);
      assert.match(out.trimEnd().split('\n').at(-1) ?? '', /^stress: FAILURE .* reason=stall$/);
    },
    { deadlineMs: 100_000 },
  );
}

test('a thread that no scenario of the run has cannot be stopped', async () => {
  const { code, out, errors } = await mainHere(stress('munmap_storm', 'kill_cpu:thread=kswapd'), tmpdir());
  assert.equal(
    [code, out, errors],
    [2, '', 'kill_cpu is for the thread kswapd, but this run has no such threads; name one that it has, or a CPU.\n'],
  );
});

test('the list of injections has each with its parameters, and what alloc_fail may be of', async () => {
  const { code, out } = await mainHere(['list', 'injections'], tmpdir());
  assert.is(code, 0);
  for (const start of ['io_error', 'slow_io', 'alloc_fail', 'signal', 'spurious_wake', 'delay', 'pause_cpu', 'full_swap', 'kill_cpu'])
    assert.match(out, new RegExp(`^${start} +\\S+=`, 'm'));
  assert.match(out, /^silent_device +after=100 /m);
  assert.match(out, /`of` of alloc_fail is any, frame, charge, swap_slot, node, slot, mm_struct, /);
});

test.run();
