/** Specifications of injections: what they mean, what is wrong with them in one sentence, and that nothing else is ever thrown. */
import { UsageError } from '@faultlab/core/base/errors';
import { POINT_NAMES } from '@faultlab/core/trace/points';
import { assert, suite } from '@faultlab/test-support';
import { checkInject, injectedLine, planFor } from '@faultlab/workers/inject/apply';
import { INJECTION_NAMES, INJECTIONS, injectText, type Parameter } from '@faultlab/workers/inject/injections';
import { parseInject } from '@faultlab/workers/inject/parse_inject';
import fc from 'fast-check';

const test = suite('injection specifications');

const MEANINGS: Readonly<Record<string, string>> = {
  io_error: 'io_error:rate=0.1%',
  'io_error:rate=1%': 'io_error:rate=1%',
  'io_error:rate=0.01': 'io_error:rate=1%',
  'alloc_fail:of=node,rate=2%,signal': 'alloc_fail:rate=2%,of=node,only=0,signal:rate=1%,fatal=50%',
  'slow_io:time=2s': 'slow_io:rate=1%,time=2000ms',
  'delay:point=before_ptl,time=50us': 'delay:point=before_ptl,rate=0.1%,time=50us',
  'delay:point=before_ptl,delay:point=in_fork_copy':
    'delay:point=before_ptl,rate=0.1%,time=200us,delay:point=in_fork_copy,rate=0.1%,time=200us',
  'io_error:rate=5%,io_error': 'io_error:rate=0.1%',
  ' pause_cpu : time = 5ms , kill_cpu:cpu=2 ': 'pause_cpu:rate=0.01%,time=5ms,kill_cpu:cpu=2,thread=program,after=1000,point=all',
};

for (const [text, meaning] of Object.entries(MEANINGS)) {
  test(`${JSON.stringify(text)} is ${meaning}`, () => {
    assert.is(injectText(parseInject(text)), meaning);
  });
}

test('all is every injection that a run survives', () => {
  assert.equal(
    parseInject('all').map(({ name }) => name),
    INJECTION_NAMES.filter((name) => name !== 'kill_cpu' && name !== 'silent_device'),
  );
});

test('a later option adds to the earlier ones and replaces those of its own kind', () => {
  assert.is(
    injectText(parseInject('signal,io_error:rate=2%', parseInject('io_error:rate=1%,full_swap'))),
    injectText(parseInject('full_swap,signal,io_error:rate=2%')),
  );
});

const MISTAKES: Readonly<Record<string, RegExp>> = {
  '': /^There is no injection ""; choose from io_error, .* or all\.$/,
  io_eror: /^There is no injection "io_eror"; choose from/,
  'io_error:rate=200%': /^rate of io_error is "200%", but it must be a share such as 1% or 0\.01, from 0 to 100%\.$/,
  'io_error:rate=-1': /^rate of io_error is "-1", but/,
  'io_error:time=5ms': /^io_error has no parameter "time"; it has rate\.$/,
  'slow_io:time=10s': /^time of slow_io is "10s", but it must be a time such as 200us, 5ms or 1s, up to 5000ms\.$/,
  'delay:point=nowhere': /^point of delay is "nowhere", but it must be all or the name of a point/,
  'alloc_fail:of=cheese': /but it must be one of any, frame, charge, swap_slot, node, slot, mm_struct, .*, userfaultfd_ctx_cache\.$/,
  'kill_cpu:after=many': /but it must be a whole number up to/,
  'rate=1%': /^--inject "rate=1%": "rate" does not follow a single injection; write name:rate=value\.$/,
  'all,rate=1%': /does not follow a single injection/,
  'io_error:rate=1%,rate=2%': /gives rate of io_error twice; give it once\.$/,
  'io_error:fast': /after io_error: there must be rate, each as key=value\.$/,
  'all:rate=1%': /^There is no injection "all"/,
};

for (const [text, sentence] of Object.entries(MISTAKES)) {
  test(`${JSON.stringify(text)} is refused in one sentence`, () => {
    assert.throws(
      () => parseInject(text),
      (error: Error) => error instanceof UsageError && sentence.test(error.message),
    );
  });
}

/** A text for a value that the parameter takes. */
const rightValue = (parameter: Parameter): fc.Arbitrary<string> => {
  switch (parameter.kind) {
    case 'rate':
      return fc.oneof(
        fc.integer({ min: 0, max: 100 }).map((percent) => `${percent}%`),
        fc.integer({ min: 0, max: 1_000_000_000 }).map((parts) => (parts / 1_000_000_000).toFixed(9)),
      );
    case 'time':
      return fc.integer({ min: 1, max: parameter.most * 1000 }).map((us) => `${us}us`);
    case 'count':
      return fc.integer({ min: 0, max: parameter.most }).map(String);
    case 'choice':
      return fc.constantFrom(...parameter.choices);
  }
};
const right: fc.Arbitrary<string> = fc
  .constantFrom(...INJECTIONS)
  .chain(({ name, parameters }) =>
    fc
      .tuple(fc.subarray([...parameters]), fc.constant(name))
      .chain(([some, called]) =>
        fc
          .tuple(...some.map((parameter) => rightValue(parameter).map((value) => `${parameter.key}=${value}`)))
          .map((values) => (values.length === 0 ? called : `${called}:${values.join(',')}`)),
      ),
  );
const rights = fc.array(right, { minLength: 1, maxLength: 5 }).map((list) => list.join(','));

test('the text of what was read reads the same again', () => {
  fc.assert(
    fc.property(rights, (text) => {
      const meaning = injectText(parseInject(text));
      assert.is(injectText(parseInject(meaning)), meaning);
    }),
  );
});

test('garbage is read or refused with one sentence, and nothing else is ever thrown', () => {
  const word = fc.constantFrom(
    ...INJECTION_NAMES,
    ...POINT_NAMES.slice(0, 3),
    'all',
    'rate',
    'time',
    'of',
    'cpu',
    '__proto__',
    'constructor',
  );
  const mark = fc.constantFrom(':', '=', ',', '%', '1', '0.5', 'ms', 's', ' ', '-', '\n', '');
  const nearly = fc.array(fc.oneof(word, mark), { maxLength: 12 }).map((parts) => parts.join(''));
  const damaged = fc.tuple(rights, fc.nat(), fc.string({ maxLength: 2 })).map(([text, where, what]) => {
    const place = where % (text.length + 1);
    return text.slice(0, place) + what + text.slice(place + 1);
  });
  let refused = 0;
  fc.assert(
    fc.property(fc.oneof(fc.string(), nearly, damaged), (text) => {
      try {
        const injections = parseInject(text);
        planFor(injections, { cpu: 0, seed: 1 });
      } catch (error) {
        assert.ok(error instanceof UsageError, String(error));
        assert.match((error as Error).message, /^[^\n]{1,500}\.$/);
        refused++;
      }
    }),
    { numRuns: 2000 },
  );
  assert.ok(refused > 500, `${refused} of 2000 were refused`);
});

test('each injection reaches the plan of a CPU; only one CPU is stopped, no helper is killed, and no thread of the machine gets a signal', () => {
  const everything = parseInject('all,kill_cpu:cpu=1');
  assert.equal(Object.keys(planFor(everything, { cpu: 0, seed: 5 }) ?? {}), [
    'seed',
    'allocFail',
    'signal',
    'spuriousWake',
    'fullSwap',
    'delays',
    'pause',
  ]);
  assert.ok('kill' in (planFor(everything, { cpu: 1, seed: 5 }) ?? {}));
  assert.equal(planFor(everything, { cpu: 0, seed: 5 })?.signal, { rate: 0.01, fatal: 0.5 });
  assert.equal(planFor(everything, { cpu: 2, seed: 5, role: 'helper' })?.signal, { rate: 0.01, fatal: 0 });
  assert.equal(Object.keys(planFor(everything, { cpu: 1, seed: 5, role: 'background', thread: 'kswapd' }) ?? {}), [
    'seed',
    'allocFail',
    'spuriousWake',
    'fullSwap',
    'delays',
    'pause',
    'whileArmed',
  ]);
  assert.is(planFor(parseInject('io_error'), { cpu: 0, seed: 5 }), null);
});

test('a CPU that the run does not have cannot be stopped', () => {
  checkInject(parseInject('kill_cpu:cpu=3'), 4);
  assert.throws(
    () => checkInject(parseInject('kill_cpu:cpu=4'), 4, ['kswapd']),
    (error: Error) => error instanceof UsageError && /kill_cpu is for CPU 4, but the CPUs of this run are 0 to 3/.test(error.message),
  );
});

test('a thread of the machine can be stopped in place of a CPU, if the machine has it', () => {
  const kill = parseInject('kill_cpu:thread=kswapd');
  checkInject(kill, 1, ['writeback', 'kswapd']);
  for (const threads of [[], ['writeback']]) {
    assert.throws(
      () => checkInject(kill, 4, threads),
      (error: Error) =>
        error instanceof UsageError &&
        /^kill_cpu is for the thread kswapd, but this run has (no such threads|only writeback); name/.test(error.message),
    );
  }
  assert.is(planFor(kill, { cpu: 0, seed: 5 }), null);
  assert.is(planFor(kill, { cpu: 5, seed: 5, role: 'background', thread: 'writeback' }), null);
  assert.ok('kill' in (planFor(kill, { cpu: 5, seed: 5, role: 'background', thread: 'kswapd' }) ?? {}));
});

test('what was asked for is counted in one line, also when it never happened', () => {
  const counters = { injected_io_error: 1234, injected_signal: 0 } as unknown as Parameters<typeof injectedLine>[1];
  assert.is(injectedLine(parseInject('signal,io_error'), counters), 'injected: io_error 1,234, signal 0');
  assert.is(injectedLine([], counters), undefined);
});

test.run();
