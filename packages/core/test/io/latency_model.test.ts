/** Latency models: the texts they are written in, and the times that a seed gives. */
import { UsageError } from '@faultlab/core/base/errors';
import { Prng } from '@faultlab/core/base/prng';
import { drawLatencyUs, LATENCY_US_MAX, type LatencyModel, meanLatencyUs } from '@faultlab/core/io/latency_model';
import { type LatencyFile, latencyText, parseLatency, parseLatencyList } from '@faultlab/core/io/parse_latency';
import { assert, suite } from '@faultlab/test-support';
import fc from 'fast-check';

const test = suite('latency model');

const draws = (model: LatencyModel, count: number, seed = 1): number[] => {
  const prng = new Prng(seed);
  return Array.from({ length: count }, (_, index) => drawLatencyUs(model, prng, index));
};
const quantile = (values: readonly number[], q: number): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length * q)] as number;
const near = (value: number, wanted: number, part: number): void =>
  assert.ok(Math.abs(value - wanted) <= wanted * part, `${value} is not within ${part * 100} % of ${wanted}`);

const meanings: readonly (readonly [string, LatencyModel | LatencyFile])[] = [
  ['zero', { kind: 'zero' }],
  ['fixed:100us', { kind: 'fixed', us: 100 }],
  ['fixed:1.5ms', { kind: 'fixed', us: 1500 }],
  ['fixed:2s', { kind: 'fixed', us: 2_000_000 }],
  ['fixed:500ns', { kind: 'fixed', us: 0.5 }],
  ['uniform:50us-2ms', { kind: 'uniform', lowUs: 50, highUs: 2000 }],
  ['lognormal:200us', { kind: 'lognormal', medianUs: 200, sigma: 0.5, tailShare: 0, tailUs: 0 }],
  ['lognormal:200us,sigma=0.8,tail=1%:20ms', { kind: 'lognormal', medianUs: 200, sigma: 0.8, tailShare: 0.01, tailUs: 20_000 }],
  ['lognormal:200us,tail=100%:1s', { kind: 'lognormal', medianUs: 200, sigma: 0.5, tailShare: 1, tailUs: 1_000_000 }],
  ['list:a:b.txt', { kind: 'file', path: 'a:b.txt' }],
];
for (const [text, model] of meanings) test(`"${text}" is understood`, () => assert.equal(parseLatency(text), model));

const refusals: readonly (readonly [string, RegExp])[] = [
  ['', /it must be one of zero, fixed:100us/],
  ['fast', /it must be one of/],
  ['zero:1us', /it must be one of/],
  ['list:', /it must be one of/],
  ['fixed', /"" is not a time/],
  ['fixed:100', /"100" is not a time; write a number and ns, us, ms or s/],
  ['fixed:-1us', /"-1us" is not a time/],
  ['fixed:601s', /ten minutes at the most/],
  ['uniform:50us', /"" is not a time/],
  ['uniform:1us-2us-3us', /two times with one dash/],
  ['uniform:2ms-50us', /first time must not be longer/],
  ['lognormal:200us,sigma=9', /sigma must be a number from 0 to 5/],
  ['lognormal:200us,sigma=x', /sigma must be a number/],
  ['lognormal:200us,sigma=1,sigma=2', /sigma may be there only once/],
  ['lognormal:200us,tail=1%', /a tail is a share from 0 to 100 and a time/],
  ['lognormal:200us,tail=101%:1s', /a tail is a share/],
  ['lognormal:200us,mean=3', /and nothing else/],
];
for (const [text, message] of refusals) {
  test(`"${text}" is refused with a sentence`, () => {
    try {
      parseLatency(text);
    } catch (error) {
      assert.instance(error, UsageError);
      assert.match((error as Error).message, message);
      assert.match((error as Error).message, /\.$/);
      return;
    }
    assert.unreachable();
  });
}

test('whatever the text, there is a model or one sentence', () => {
  const piece = fc.constantFrom(
    'zero',
    'fixed',
    'uniform',
    'lognormal',
    'list',
    ':',
    '-',
    ',',
    '=',
    '%',
    'sigma',
    'tail',
    '1us',
    '20ms',
    '1e9s',
    '\n',
    '%:',
  );
  const texts = fc.oneof(
    fc.string(),
    fc.array(fc.oneof(piece, fc.string({ maxLength: 3 })), { maxLength: 8 }).map((parts) => parts.join('')),
  );
  const parsers = [parseLatency, (text: string) => parseLatencyList(text, 'times.txt')] as const;
  fc.assert(
    fc.property(texts, (text) => {
      for (const parse of parsers) {
        try {
          const model = parse(text);
          if (model.kind === 'file') continue;
          for (const us of draws(model, 20)) assert.ok(us >= 0 && us <= LATENCY_US_MAX, `${us} us`);
        } catch (error) {
          assert.instance(error, UsageError, String(error));
          assert.match((error as Error).message, /^[^\n]*\.$/);
        }
      }
    }),
    { numRuns: 500 },
  );
});

test('a model that is written down reads the same', () => {
  const us = fc.integer({ min: 0, max: 1_000_000 });
  const models: fc.Arbitrary<LatencyModel> = fc.oneof(
    fc.record({ kind: fc.constant('fixed' as const), us }),
    fc.tuple(us, us).map(([a, b]): LatencyModel => ({ kind: 'uniform', lowUs: Math.min(a, b), highUs: Math.max(a, b) })),
    fc.record({
      kind: fc.constant('lognormal' as const),
      medianUs: us,
      sigma: fc.constantFrom(0, 0.25, 1, 5),
      tailShare: fc.constantFrom(0.01, 0.5, 1),
      tailUs: us,
    }),
  );
  fc.assert(fc.property(models, (model) => assert.equal(parseLatency(latencyText(model)), { ...model })));
  assert.is(latencyText({ kind: 'zero' }), 'zero');
});

test('a recorded list is read line by line, used in order, and used again', () => {
  const model = parseLatencyList('# a disk\n100us\n\n  2ms # slow\n', 'times.txt');
  assert.equal(draws(model, 5), [100, 2000, 100, 2000, 100]);
  assert.is(latencyText(model), 'list of 2 times');
  assert.throws(() => parseLatencyList('1us\nsoon\n', 'times.txt'), /^times\.txt, line 2: "soon" is not a time;/);
  assert.throws(() => parseLatencyList('# nothing\n', 'times.txt'), /^times\.txt holds no times;/);
});

test('the same seed gives the same times, another seed others', () => {
  const model: LatencyModel = { kind: 'lognormal', medianUs: 200, sigma: 0.8, tailShare: 0.01, tailUs: 20_000 };
  assert.equal(draws(model, 100, 7), draws(model, 100, 7));
  assert.not.equal(draws(model, 100, 7), draws(model, 100, 8));
});

test('uniform times fill their range evenly', () => {
  const times = draws({ kind: 'uniform', lowUs: 50, highUs: 2050 }, 20_000);
  assert.ok(Math.min(...times) >= 50 && Math.max(...times) < 2050);
  for (const q of [0.1, 0.5, 0.9]) near(quantile(times, q), 50 + 2000 * q, 0.05);
});

test('lognormal times have their median, their spread and their tail', () => {
  const sigma = 0.8;
  const times = draws({ kind: 'lognormal', medianUs: 200, sigma, tailShare: 0.01, tailUs: 90_000 }, 20_000);
  const tail = times.filter((us) => us === 90_000).length;
  near(tail, 200, 0.25);
  const body = times.filter((us) => us !== 90_000);
  near(quantile(body, 0.5), 200, 0.03);
  near(quantile(body, 0.8413), 200 * Math.exp(sigma), 0.05);
  near(quantile(body, 0.1587), 200 / Math.exp(sigma), 0.05);
});

test('the mean is that of many draws', () => {
  for (const text of ['zero', 'fixed:100us', 'uniform:50us-2ms', 'lognormal:200us,sigma=0.8', 'lognormal:80us,sigma=0.6,tail=5%:2ms']) {
    const model = parseLatency(text) as LatencyModel;
    const drawn = draws(model, 100_000);
    near(drawn.reduce((sum, us) => sum + us, 0) / drawn.length, meanLatencyUs(model), 0.02);
  }
  assert.is(meanLatencyUs({ kind: 'list', us: [1, 2, 6] }), 3);
});

test.run();
