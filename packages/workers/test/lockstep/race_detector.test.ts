/** The detector finds accesses that nothing orders, and nothing else; the order is that of the operations between them, not of their time. */
import { STEP_READ, STEP_UPDATE, STEP_WAKE, STEP_WRITE } from '@faultlab/core/memory/step_gate';
import { assert, suite } from '@faultlab/test-support';
import { detectorWords, type Race, RaceDetector } from '@faultlab/workers/lockstep/races/race_detector';
import { recordingView } from '@faultlab/workers/lockstep/races/recording_view';
import fc from 'fast-check';

const test = suite('lockstep/race_detector');

const THREADS = 3;
const WORDS = 4;
const LOCK = 0;
const FLAG = 1;
const DATA = 2;

interface World {
  readonly cpus: readonly [RaceDetector, RaceDetector, RaceDetector];
  readonly races: Race[];
}

function world(): World {
  const state = new Int32Array(detectorWords(WORDS, THREADS));
  const races: Race[] = [];
  const detector = (me: number): RaceDetector => new RaceDetector(state, THREADS, me, (race) => races.push(race));
  const cpus = [detector(0), detector(1), detector(2)] as const;
  cpus[0].allMet();
  return { cpus, races };
}

/** The atomic operation happens, and the thread goes on. */
function atomic(cpu: RaceDetector, kind: number, word: number): void {
  cpu.step(kind, word);
  cpu.settle();
}
const lock = (cpu: RaceDetector): void => atomic(cpu, STEP_UPDATE, LOCK);
const unlock = (cpu: RaceDetector): void => atomic(cpu, STEP_WRITE, LOCK);
function READ_ONCE(cpu: RaceDetector, word: number): void {
  cpu.step(STEP_READ, word);
  cpu.plainRead(word);
}
function WRITE_ONCE(cpu: RaceDetector, word: number): void {
  cpu.step(STEP_WRITE, word);
  cpu.plainWrite(word);
}
const pairs = (races: readonly Race[]): string[] =>
  races.map(({ cpu, access, other, otherAccess }) => `${cpu} ${access} / ${other} ${otherAccess}`);

test('accesses under one lock are ordered, whoever comes first', () => {
  const { cpus, races } = world();
  for (const cpu of [cpus[0], cpus[1], cpus[0], cpus[2]]) {
    lock(cpu);
    cpu.plainRead(DATA);
    cpu.plainWrite(DATA);
    unlock(cpu);
  }
  assert.equal(races, []);
});

test('a write without the lock races with the reader that has it, although it came long before', () => {
  const { cpus, races } = world();
  cpus[1].plainWrite(DATA);
  lock(cpus[0]);
  cpus[0].plainRead(DATA);
  unlock(cpus[0]);
  assert.equal(pairs(races), ['0 plain read / 1 plain write']);
});

test('two plain reads are no race, and neither are two marked accesses', () => {
  const { cpus, races } = world();
  cpus[0].plainRead(DATA);
  cpus[1].plainRead(DATA);
  WRITE_ONCE(cpus[0], FLAG);
  READ_ONCE(cpus[1], FLAG);
  WRITE_ONCE(cpus[2], FLAG);
  assert.equal(races, []);
});

test('one marked side does not help: a plain write and a marked read race, and so do a plain read and a marked write', () => {
  const { cpus, races } = world();
  cpus[0].plainWrite(DATA);
  READ_ONCE(cpus[1], DATA);
  assert.equal(pairs(races), ['1 marked read / 0 plain write']);
  const second = world();
  second.cpus[0].plainRead(DATA);
  WRITE_ONCE(second.cpus[1], DATA);
  assert.equal(pairs(second.races), ['1 marked write / 0 plain read']);
});

test('a marked store publishes nothing: what was written before it is not ordered by a marked load', () => {
  const { cpus, races } = world();
  cpus[0].plainWrite(DATA);
  WRITE_ONCE(cpus[0], FLAG);
  READ_ONCE(cpus[1], FLAG);
  cpus[1].plainRead(DATA);
  assert.equal(pairs(races), ['1 plain read / 0 plain write']);
});

test('an atomic store publishes: what was written before it is ordered before what follows an atomic load', () => {
  const { cpus, races } = world();
  cpus[0].plainWrite(DATA);
  atomic(cpus[0], STEP_WRITE, FLAG);
  atomic(cpus[1], STEP_READ, FLAG);
  cpus[1].plainRead(DATA);
  assert.equal(races, []);
  cpus[0].plainWrite(DATA); // after the publication
  assert.equal(pairs(races), ['0 plain write / 1 plain read']);
});

test('a store takes away what the word handed on before, an update does not', () => {
  const stored = world();
  stored.cpus[0].plainWrite(DATA);
  atomic(stored.cpus[0], STEP_WRITE, FLAG);
  atomic(stored.cpus[2], STEP_WRITE, FLAG);
  atomic(stored.cpus[1], STEP_READ, FLAG);
  stored.cpus[1].plainRead(DATA);
  assert.equal(pairs(stored.races), ['1 plain read / 0 plain write']);
  const updated = world();
  updated.cpus[0].plainWrite(DATA);
  atomic(updated.cpus[0], STEP_WRITE, FLAG);
  atomic(updated.cpus[2], STEP_UPDATE, FLAG);
  atomic(updated.cpus[1], STEP_READ, FLAG);
  updated.cpus[1].plainRead(DATA);
  assert.equal(updated.races, []);
});

test('who is woken comes after who woke him', () => {
  const { cpus, races } = world();
  cpus[0].plainWrite(DATA);
  atomic(cpus[0], STEP_WAKE, FLAG);
  cpus[1].woken(FLAG);
  cpus[1].plainRead(DATA);
  assert.equal(races, []);
});

test('a plain access of a word that others use atomically is a race', () => {
  const { cpus, races } = world();
  atomic(cpus[0], STEP_UPDATE, FLAG);
  cpus[1].plainRead(FLAG);
  assert.equal(pairs(races), ['1 plain read / 0 marked write']);
});

test('a meeting of all threads orders everything', () => {
  const { cpus, races } = world();
  cpus[0].plainWrite(DATA);
  cpus[2].allMet();
  cpus[1].plainWrite(DATA);
  assert.equal(races, []);
});

test('any mix of accesses under one lock is free of races, and one access outside of it is found when it conflicts', () => {
  const step = fc.record({ cpu: fc.nat(THREADS - 1), write: fc.boolean(), word: fc.constantFrom(FLAG, DATA) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), step, (steps, stray) => {
      const { cpus, races } = world();
      for (const { cpu, write, word } of steps) {
        const me = cpus[cpu] as RaceDetector;
        lock(me);
        if (write) me.plainWrite(word);
        else me.plainRead(word);
        unlock(me);
      }
      assert.equal(races, []);
      const outsider = cpus[stray.cpu] as RaceDetector;
      if (stray.write) outsider.plainWrite(stray.word);
      else outsider.plainRead(stray.word);
      // Its own last turn at the lock put it behind everything before that turn.
      const since = steps.slice(steps.findLastIndex(({ cpu }) => cpu === stray.cpu) + 1);
      const conflicts = since.some(({ write, word }) => word === stray.word && (write || stray.write));
      assert.is(races.length > 0, conflicts);
    }),
  );
});

test('a recording view tells of every plain access by the word of the arena, and gives the same answers', () => {
  const arena = new Int32Array(new SharedArrayBuffer(64));
  const told: string[] = [];
  const view = recordingView(arena.subarray(4, 12) as Int32Array<SharedArrayBuffer>, {
    plainRead: (word) => told.push(`r${word}`),
    plainWrite: (word) => told.push(`w${word}`),
  });
  view[0] = 7;
  assert.is(view[0], 7);
  assert.is(view.length, 8);
  view.fill(1, 1, 3);
  view.copyWithin(3, 0, 2);
  const part = view.subarray(3, 5);
  assert.is(part[1], 1);
  assert.equal(told, ['w4', 'r4', 'w5', 'w6', 'r4', 'r5', 'w7', 'w8', 'r8']);
  assert.equal([...arena.subarray(4, 10)], [7, 1, 1, 7, 1, 0]);
  assert.throws(() => view.sort(), /not recorded/);
});

test.run();
