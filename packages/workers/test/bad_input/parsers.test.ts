/** Generated garbage at every parser: each takes it, or refuses it in one sentence, and nothing else ever comes out. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';
import { parseLatency, parseLatencyList } from '@faultlab/core/io/parse_latency';
import { archByName } from '@faultlab/core/policy/arch_entries';
import { policyByName } from '@faultlab/core/policy/policies';
import { assert, suite } from '@faultlab/test-support';
import { integer, seconds } from '@faultlab/workers/cli/command';
import { OPERATION_NAMES } from '@faultlab/workers/conform/operations/by_name';
import { parseScript } from '@faultlab/workers/conform/parse_script';
import { readRecord } from '@faultlab/workers/conform/read_record';
import { resolveDevice } from '@faultlab/workers/device/device_options';
import { loadTimeline } from '@faultlab/workers/perf_script/build_timeline';
import { checkPolicy } from '@faultlab/workers/policy/policy_schema';
import { planReplay } from '@faultlab/workers/replay/replay_plan';
import { scenarioByName } from '@faultlab/workers/scenarios/by_name';
import { parseSoakFile } from '@faultlab/workers/soak/soak_file';
import fc from 'fast-check';
import { smallSoak } from '../soak/fixtures.ts';
import { bounds, changedRecord, complaint, damaged, laterComplaint, number, text } from './garbage.ts';

const test = suite('bad input: parsers');

const DATA = fileURLToPath(new URL('../../test/data', import.meta.url));
const golden = (name: string): string => readFileSync(join(DATA, 'goldens', name), 'utf8');

test('a number of the command line is digits within its bounds, or refused by its name', () => {
  fc.assert(
    fc.property(fc.oneof(text, number), (word) => {
      const whole = complaint(() => assert.ok(Number.isInteger(integer('--cpus', 1, 512)(word))));
      assert.is(whole === undefined, /^[0-9]+$/.test(word) && Number(word) >= 1 && Number(word) <= 512);
      if (whole !== undefined) assert.ok(whole.startsWith('--cpus is '));
      const time = complaint(() => assert.ok(seconds('--hours', 168)(word) > 0));
      if (time !== undefined) assert.ok(time.startsWith('--hours is "'));
    }),
    bounds(2_000),
  );
});

test('a name is a known one, or refused with the known ones', () => {
  fc.assert(
    fc.property(text, (name) => {
      for (const find of [policyByName, archByName, scenarioByName]) assert.match(complaint(() => find(name)) ?? '', /choose/);
    }),
    bounds(300),
  );
});

const latencies = fc.constantFrom('zero', 'fixed:100us', 'uniform:50us-2ms', 'lognormal:200us,sigma=0.8,tail=1%:20ms', 'list:x');

test('a latency is a model with finite times, or refused', () => {
  fc.assert(
    fc.property(fc.oneof(text, damaged(latencies)), (word) => {
      const said = complaint(() => {
        const model = parseLatency(word);
        for (const value of Object.values(model))
          assert.ok(typeof value === 'string' || (Number.isFinite(value) && (value as number) >= 0));
      });
      if (said !== undefined) assert.match(said, /^The latency "/);
    }),
    bounds(3_000),
  );
  fc.assert(
    fc.property(damaged(fc.constant('100us\n# remark\n2ms\n')), (list) => {
      const said = complaint(() => parseLatencyList(list, 'times.txt'));
      if (said !== undefined) assert.match(said, /^times\.txt(, line \d+:| holds no times;)/);
    }),
    bounds(1_000),
  );
});

test('the options of a device are possible ones, or refused by their names', () => {
  const value = fc.oneof(fc.integer(), fc.double(), fc.constantFrom(null, 'files', Number.NaN));
  const options = fc.record({ queueDepth: value, contents: value, errorRate: value }, { requiredKeys: [] });
  fc.assert(
    fc.property(options, (given) => {
      const said = complaint(() => resolveDevice(given as never, 3));
      if (said !== undefined) assert.match(said, /^devices\[3\]\.(queueDepth|contents|errorRate) is /);
    }),
    bounds(1_000),
  );
});

const script = golden('file-private-cow.txt');

test('a script is operations, or refused with file and line', () => {
  const word = fc.oneof(fc.constantFrom(...OPERATION_NAMES, '@', '#', 'anon', 'rw', 'private', 'f', '0', '8'), text, number);
  const lines = fc
    .array(
      fc.array(word, { maxLength: 8 }).map((words) => words.join(' ')),
      { maxLength: 6 },
    )
    .map((all) => all.join('\n'));
  fc.assert(
    fc.property(fc.oneof(lines, damaged(fc.constant(script))), (content) => {
      const said = complaint(() => parseScript('x.txt', content));
      if (said !== undefined) assert.match(said, /^x\.txt, line \d+: /);
    }),
    bounds(1_500),
  );
});

test('a record is one of its script, or refused with file and line', () => {
  const parsed = parseScript('x.txt', script);
  const lines = golden('file-private-cow.jsonl').trimEnd().split('\n');
  const first = changedRecord(JSON.parse(lines[0] as string)).map((record) => [JSON.stringify(record), ...lines.slice(1)].join('\n'));
  fc.assert(
    fc.property(fc.oneof(first, damaged(fc.constant(lines.join('\n'))), text), (content) => {
      const said = complaint(() => readRecord('x.jsonl', content, parsed));
      if (said !== undefined) assert.match(said, /^x\.jsonl(, line \d+: | has \d+ records)/);
    }),
    bounds(800),
  );
});

test('a policy record has all fields and no other, or is refused by the field', () => {
  const good = { ...policyByName('linux-6.18'), name: 'mine' };
  fc.assert(
    fc.property(
      fc.oneof(changedRecord(good), fc.anything({ withBigInt: true, withDate: true, withMap: true, withNullPrototype: true })),
      (record) => {
        const said = complaint(() => checkPolicy(record, 'The policy of ./mine.js'));
        if (said !== undefined) assert.match(said, /^The policy of \.\/mine\.js (is no policy|has|lacks)/);
      },
    ),
    bounds(2_000),
  );
});

test(
  'a result file of a soak is whole, or refused by the field',
  async () => {
    const { files } = await smallSoak({ seconds: 0.1 });
    const good = files.at(-1);
    fc.assert(
      fc.property(
        fc.oneof(
          changedRecord(good).map((file) => JSON.stringify(file) ?? ''),
          damaged(fc.constant(JSON.stringify(good))),
          text,
        ),
        (content) => {
          const said = complaint(() => parseSoakFile(content, 'x.json'));
          if (said !== undefined) assert.match(said, /^x\.json is not a result that can be gone on with: /);
        },
      ),
      bounds(1_000),
    );
  },
  { deadlineMs: 40_000 },
);

/** The beginning of a recorded trace: enough for areas, calls and faults. */
const traceLines = gunzipSync(readFileSync(join(DATA, 'traces', 'gcc.txt.gz')))
  .toString('utf8')
  .split('\n')
  .slice(0, 80);

async function* oneChunk(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** From bytes to the plan of a replay. */
const plan = async (bytes: Uint8Array): Promise<unknown> => planReplay(await loadTimeline(oneChunk(bytes), 'x.txt'));

test(
  'a trace can be planned, or is refused by its name and mostly its line',
  async () => {
    const lines = fc
      .array(fc.record({ at: fc.nat({ max: traceLines.length - 1 }), line: fc.oneof(text, damaged(fc.constantFrom(...traceLines))) }), {
        maxLength: 4,
      })
      .map((changes) => {
        const all = [...traceLines];
        for (const { at, line } of changes) all[at] = line;
        return `${all.join('\n')}\n`;
      });
    const shuffled = fc.shuffledSubarray(traceLines).map((all) => `${all.join('\n')}\n`);
    await fc.assert(
      fc.asyncProperty(fc.oneof(lines, shuffled, damaged(fc.constant(traceLines.join('\n')))), async (content) => {
        const said = await laterComplaint(() => plan(new TextEncoder().encode(content)));
        if (said !== undefined) assert.match(said, /^x\.txt/);
      }),
      bounds(400, 7_000),
    );
  },
  { deadlineMs: 20_000 },
);

test(
  'bytes that are no trace are refused, packed or not',
  async () => {
    const packed = gzipSync(traceLines.join('\n'));
    const cut = fc.nat({ max: packed.length }).map((end) => packed.subarray(0, end));
    const flipped = fc.tuple(fc.nat({ max: packed.length - 1 }), fc.integer({ min: 1, max: 255 })).map(([at, bits]) => {
      const bytes = new Uint8Array(packed);
      bytes[at] = (bytes[at] as number) ^ bits;
      return bytes;
    });
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.uint8Array({ maxLength: 200 }), cut, flipped), async (bytes) => {
        const said = await laterComplaint(() => plan(bytes));
        if (said !== undefined) assert.match(said, /^x\.txt/);
      }),
      bounds(200, 5_000),
    );
  },
  { deadlineMs: 20_000 },
);

test.run();
