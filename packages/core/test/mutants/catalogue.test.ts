/** The catalogue of mutants: complete, and every switch is planted. That each is caught is the business of `faultlab mutants`. */
import { readdirSync, readFileSync } from 'node:fs';
import type { CpuId } from '@faultlab/core/base/brand';
import { UsageError } from '@faultlab/core/base/errors';
import { createCpu, createMachineMemory } from '@faultlab/core/boot';
import { attachMemory } from '@faultlab/core/memory/shared_memory';
import { MUTANTS, mutantById, UNMODELLED } from '@faultlab/core/mutants/catalogue';
import * as ids from '@faultlab/core/mutants/ids';
import { NO_MUTANT } from '@faultlab/core/mutants/ids';
import { assert, suite } from '@faultlab/test-support';
import { SMALL_SIZE } from '../fixtures/with_cpu.ts';

const test = suite('mutants/catalogue');

const constants = Object.entries(ids).filter(([name]) => name.startsWith('MUTANT_'));

test('every number has one entry, and its id is that of its constant', () => {
  assert.equal(
    MUTANTS.map(({ number, id }) => [`MUTANT_${id.toUpperCase().replace('-', '_')}`, number]).sort(),
    constants.map(([name, number]) => [name, number]).sort(),
  );
  assert.ok(MUTANTS.length >= 48, 'the catalogue has at least 48 mutants');
});

test('every mutant says what happens, what it breaks and where it comes from, and draws it', () => {
  for (const { id, title, trigger, breaks, source, drawing } of MUTANTS) {
    for (const text of [title, trigger, source]) assert.ok(text.length > 10, `${id} says too little`);
    assert.ok(breaks.length > 0, `${id} breaks nothing`);
    assert.match(drawing, /\n.*1 /, `the drawing of ${id} has no steps`);
  }
});

test('every switch is asked somewhere in the model', () => {
  const root = new URL('../../src/', import.meta.url);
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(
    (path) => path.endsWith('.ts') && !path.startsWith('mutants'),
  );
  const text = files.map((path) => readFileSync(new URL(path.replaceAll('\\', '/'), root), 'utf8')).join('\n');
  for (const [name] of constants) assert.match(text, new RegExp(`mutant [!=]== ${name}\\b`), `${name} is not planted`);
});

test('a bug that cannot be had has a reason, and asking for it says so', () => {
  assert.throws(
    () => mutantById('B45'),
    (error: unknown) => error instanceof UsageError && /huge pages/.test(error.message),
  );
  assert.throws(
    () => mutantById('B99'),
    (error: unknown) => error instanceof UsageError && /choose from B01/.test(error.message),
  );
  const both = UNMODELLED.filter(({ id }) => MUTANTS.some((mutant) => mutant.id === id));
  assert.equal(both, [], 'a bug is a mutant and is not');
});

test('every CPU of a machine has its bug, and none has one unless asked', () => {
  const wrong = createMachineMemory(SMALL_SIZE, { mutant: mutantById('b28-anon').number });
  const cpu = createCpu({ id: 1 as CpuId, memory: attachMemory(wrong.handle), now: () => 0 });
  assert.is(cpu.mutant, ids.MUTANT_B28_ANON);
  assert.is(createCpu({ id: 0 as CpuId, memory: createMachineMemory(SMALL_SIZE), now: () => 0 }).mutant, NO_MUTANT);
});

test.run();
