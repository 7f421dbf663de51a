/** The model against recordings of a running kernel: every operation of every script, one after the other. */
import { readdirSync, readFileSync } from 'node:fs';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { policyByName } from '@faultlab/core/policy/policies';
import { assert, suite } from '@faultlab/test-support';
import { checkLayout } from '../fixtures/layout.ts';
import { type ScriptRecord, ScriptRun } from '../fixtures/script.ts';
import { ALL_POLICIES, withCpu } from '../fixtures/with_cpu.ts';

const test = suite('mm/goldens');

const FOLDER = new URL('../../test/data/goldens/', import.meta.url);
const REFERENCE = 'linux-6.18';
const NAMES = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.jsonl'))
  .map((file) => file.slice(0, -'.jsonl'.length));
/** Says nothing about the model: when the recording machine slept, and what it read from files. */
const ASIDE = /^(sleep|mm_file)/;

function records(name: string): ScriptRecord[] {
  const lines = readFileSync(new URL(`${name}.jsonl`, FOLDER), 'utf8')
    .trim()
    .split('\n');
  return lines.map((line) => JSON.parse(line) as ScriptRecord);
}

/** The parts of a record that count, given what the recording says about itself. */
function comparable(recorded: ScriptRecord, done: ScriptRecord, exact: boolean): Partial<ScriptRecord> {
  const stable = (key: string): boolean => recorded.unstable?.includes(key) !== true;
  const counted = exact && recorded.noisy !== true && !done.do.startsWith('fork');
  return {
    result: done.result,
    ...(stable('vmas') && { vmas: done.vmas }),
    ...(counted && stable('minflt') && { minflt: done.minflt }),
    ...(counted && stable('majflt') && { majflt: done.majflt }),
    ...(counted && stable('events') && recorded.events && { events: (done.events ?? []).filter((event) => !ASIDE.test(event)) }),
  };
}

function check(name: string, policy: FaultPolicy, exact: boolean): number {
  const script = records(name);
  withCpu({ policy, trace: true, size: { traceEntries: 1024, frames: 2048, tables: 128 } }, (one) => {
    const run = new ScriptRun(one);
    for (const recorded of script) {
      const done = run.perform(recorded);
      const where = `${name}, operation ${recorded.op}: ${recorded.do}`;
      assert.equal(comparable(recorded, done, exact), comparable(recorded, recorded, exact), where);
    }
    checkLayout(one.cpu, one.mm);
  });
  return script.length;
}

test('the recordings are there', () => {
  assert.ok(NAMES.length >= 17, `only ${NAMES.length} recordings in ${FOLDER.pathname}`);
});

for (const name of NAMES) {
  test(`${name}: ${REFERENCE} gives the results, layouts, fault counts and lock events that the kernel gave`, () => {
    assert.ok(check(name, policyByName(REFERENCE), true) > 0);
  });
}

for (const policy of ALL_POLICIES.filter((other) => other.name !== REFERENCE)) {
  test(`${policy.name} gives the same results and layouts for all of them`, () => {
    for (const name of NAMES) check(name, policy, false);
  });
}

test.run();
