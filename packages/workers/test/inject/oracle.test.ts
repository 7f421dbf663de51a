/** What a program expects of its pages when calls may lack memory: no less than it can know, and no more. One thread. */
import type { CpuId } from '@faultlab/core/base/brand';
import { ENOMEM } from '@faultlab/core/base/errno';
import { cpuOnline, createCpu, createMachineMemory } from '@faultlab/core/boot';
import { DEFAULT_SIZE } from '@faultlab/core/memory/limits';
import { MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, PROT_READ, PROT_WRITE } from '@faultlab/core/mm/mman';
import { VMA_CACHE } from '@faultlab/core/slab/caches';
import { allocFromPool } from '@faultlab/core/trace/injector';
import { assert, suite } from '@faultlab/test-support';
import { arenaMap, withHarnessWords } from '@faultlab/workers/arena_map';
import { createActor } from '@faultlab/workers/program/actor';
import { dropSpace, enterSpace, newSpace } from '@faultlab/workers/program/calls';
import { executeOp, prepareOp } from '@faultlab/workers/program/execute_op';
import { op } from '@faultlab/workers/program/op';

const test = suite('injection: oracle');
const START = 0x10000;
const RW = PROT_READ | PROT_WRITE;

/** A program alone on a machine, whose n-th area is not to be had. Its region is unmapped at first. */
function withProgram(only: number, body: (run: (...planned: Parameters<typeof op>) => number) => void): void {
  const size = withHarnessWords({ ...DEFAULT_SIZE, cpus: 1 });
  const memory = createMachineMemory(size);
  const allocFail = { rate: 0, of: allocFromPool(VMA_CACHE), only };
  const cpu = createCpu({ id: 0 as CpuId, memory, now: () => 0, verify: true, inject: { seed: 1, allocFail } });
  cpuOnline(cpu);
  const space = newSpace(cpu);
  enterSpace(cpu, space);
  const region = { name: 'mine', start: START, pages: 16, initial: 'unmapped', layout: 'mine', discards: 'mine', writes: 'all' } as const;
  const actor = createActor(cpu, arenaMap(size), space, { regions: [region], body: { list: [] }, allocFailures: true });
  body((...planned) => {
    const operation = op(...planned);
    prepareOp(actor, operation);
    return executeOp(actor, operation);
  });
  enterSpace(cpu, 0);
  dropSpace(cpu, space);
}

test('an mprotect that lacked memory before it came to a hole has changed nothing that the program may count on', () => {
  withProgram(2, (run) => {
    assert.is(run('mmap', START, 4, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED), START);
    // To split the area takes the second area, which is not to be had; the hole behind it would be ENOMEM, too.
    assert.is(run('mprotect', START + 2, 6, PROT_READ), ENOMEM);
    assert.is(run('write', START + 3), 0, 'it is as writable as before, and that is no violation');
    assert.is(run('mprotect', START + 2, 2, PROT_READ), 0);
    assert.is(run('write', START + 3), 2, 'SEGV_ACCERR');
  });
});

test.run();
