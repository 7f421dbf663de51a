/** What is exported is read back: JSON by its schema, the trace by the rules of its viewers, texts by the patterns of their readers. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { COUNTER_NAMES } from '@faultlab/core/trace/counters';
import { assert, suite } from '@faultlab/test-support';
import { type ChromeEvent, chromeTrace } from '@faultlab/workers/exports/chrome_trace';
import { csvLines } from '@faultlab/workers/exports/csv';
import { LOCK_STAT_COLUMNS } from '@faultlab/workers/exports/lock_stat_text';
import { readRunFile } from '@faultlab/workers/exports/run_file';
import { exportFiles, writeFiles } from '@faultlab/workers/exports/write_exports';
import type { RunResult } from '@faultlab/workers/run_result';
import fc from 'fast-check';
import { inFolder, mainHere } from '../soak/fixtures.ts';
import { failedRun, slowFileRun, traces } from './run_fixture.ts';

const test = suite('exports');
let kept: Promise<RunResult> | undefined;
const run = (): Promise<RunResult> => {
  kept ??= slowFileRun();
  return kept;
};
const PATIENT = { deadlineMs: 60_000 };

const textOf = (result: RunResult, name: string): string => exportFiles(result).find((file) => file.name === name)?.text ?? '';

test(
  'the JSON of a run is what its schema says, and a changed one is refused with the place',
  async () => {
    const result = await run();
    const text = textOf(result, 'run.json');
    const read = readRunFile(text);
    assert.ok('file' in read, JSON.stringify(read));
    assert.equal([read.file.counters, read.file.locks, read.file.trace], [result.counters, result.locks, result.trace]);
    const broken = { ...JSON.parse(text), ops: -1 };
    assert.match(JSON.stringify(readRunFile(JSON.stringify(broken))), /ops/);
    assert.match(JSON.stringify(readRunFile(JSON.stringify({ ...JSON.parse(text), schema: 2 }))), /schema/);
    assert.match(JSON.stringify(readRunFile('{"schema"')), /no JSON/);
  },
  PATIENT,
);

test(
  'a run that went wrong is exported with its violations and its last events',
  async () => {
    const result = await failedRun();
    const read = readRunFile(textOf(result, 'run.json'));
    assert.ok('file' in read && read.file.verdict === 'failure' && read.file.violations.length > 0);
    const { trace } = await run();
    const told = { ...result, trace: [[], []], postMortem: { message: 'm', lastOps: [], state: [], trace } };
    const again = readRunFile(textOf(told, 'run.json'));
    assert.ok('file' in again);
    assert.equal([again.file.message, again.file.trace], ['m', trace]);
  },
  PATIENT,
);

/** Slices nest or are apart in each row, and each arrow has a slice at both of its ends. */
function checkChromeEvents(events: readonly ChromeEvent[]): number {
  const rows = new Map<string, ChromeEvent[]>();
  for (const event of events.filter(({ ph }) => ph === 'X')) {
    const key = `${event.pid}/${event.tid}`;
    rows.set(key, [...(rows.get(key) ?? []), event]);
  }
  const end = ({ ts = 0, dur = 0 }: ChromeEvent): number => ts + dur;
  for (const row of rows.values()) {
    const sorted = [...row].sort((a, b) => (a.ts ?? 0) - (b.ts ?? 0) || (b.dur ?? 0) - (a.dur ?? 0));
    sorted.forEach((one, place) => {
      for (const other of sorted.slice(place + 1)) assert.ok((other.ts ?? 0) >= end(one) || end(other) <= end(one));
    });
  }
  const holds = (row: string, ts: number): boolean => (rows.get(row) ?? []).some((slice) => (slice.ts ?? 0) <= ts && ts <= end(slice));
  const starts = events.filter(({ ph }) => ph === 's');
  const finishes = events.filter(({ ph }) => ph === 'f');
  assert.equal(
    starts.map(({ id }) => id),
    finishes.map(({ id }) => id),
  );
  for (const arrow of [...starts, ...finishes]) assert.ok(holds(`${arrow.pid}/${arrow.tid}`, arrow.ts ?? 0), JSON.stringify(arrow));
  finishes.forEach((finish, place) => {
    assert.ok((starts[place]?.ts ?? 0) <= (finish.ts ?? 0));
  });
  return starts.length;
}

test(
  'the trace of a run has every CPU, its faults and locks, arrows from the disk to those who slept for it, and counters that return to 0',
  async () => {
    const { traceEvents } = JSON.parse(textOf(await run(), 'trace.json')) as { traceEvents: ChromeEvent[] };
    const names = traceEvents.filter(({ name }) => name === 'process_name').map(({ args }) => args?.['name']);
    assert.equal(names, ['CPU 0', 'CPU 1', 'device 0', 'CPUs']);
    assert.ok(checkChromeEvents(traceEvents) > 0);
    for (const kind of ['fault', 'mmap_lock wait', 'mmap_lock hold', 'vma lock', 'sleep']) {
      assert.ok(
        traceEvents.some(({ ph, cat }) => ph === 'X' && cat === kind),
        kind,
      );
    }
    const asleep = traceEvents.filter(({ ph, name }) => ph === 'C' && name === 'asleep');
    assert.ok(asleep.length > 0);
    assert.equal(asleep.at(-1)?.args, { CPUs: 0 });
  },
  PATIENT,
);

test(
  'of any events the trace keeps the rules of its viewers',
  async () => {
    const result = await run();
    fc.assert(
      fc.property(traces, (trace) => {
        checkChromeEvents(chromeTrace({ ...result, trace }).traceEvents);
      }),
      { numRuns: 50 },
    );
  },
  PATIENT,
);

const FTRACE_LINE = /^ +(cpu-\d+)-(\d+) +\[(\d{3})\] \.{5} +(\d+)\.(\d{6}): (\w+):( .*)?$/;
const FTRACE_FIELDS: Readonly<Record<string, RegExp>> = {
  page_fault_user: /^ address=0x[0-9a-f]+ ip=0x0 error_code=0x[0-9a-f]+$/,
  mmap_lock_start_locking: /^ mm=[0-9a-f]{16} memcg_path= write=(?:true|false)$/,
  mmap_lock_acquire_returned: /^ mm=[0-9a-f]{16} memcg_path= write=(?:true|false) success=(?:true|false)$/,
  mmap_lock_released: /^ mm=[0-9a-f]{16} memcg_path= write=(?:true|false)$/,
  sched_waking: /^ comm=cpu-\d+ pid=\d+ prio=120 target_cpu=\d{3}$/,
  block_bio_queue: /^ 0,0 [RW] \d+ \+ \d+ \[cpu-\d+\]$/,
};

test(
  'the ftrace text has a line for each event, in the order of time, with the names and fields of the kernel',
  async () => {
    const result = await run();
    const lines = textOf(result, 'ftrace.txt').trimEnd().split('\n');
    const events = lines.filter((line) => !line.startsWith('#')).map((line) => FTRACE_LINE.exec(line));
    assert.is(events.length, result.trace.flat().length);
    const seen = new Set<string>();
    let before = 0;
    for (const event of events) {
      assert.ok(event !== null);
      const [, , pid, cpu, seconds, us, name = '', fields = ''] = event;
      assert.is(Number(pid), Number(cpu) + 1);
      const now = Number(seconds) * 1e6 + Number(us);
      assert.ok(now >= before);
      before = now;
      seen.add(name);
      assert.match(fields, FTRACE_FIELDS[name] ?? /^( \S+=-?\S+)*|^ dev 0:0 /);
    }
    for (const name of Object.keys(FTRACE_FIELDS)) assert.ok(seen.has(name), name);
    assert.match(lines[2] ?? '', /^# entries-in-buffer\/entries-written: \d+\/\d+ {3}#P:3$/);
  },
  PATIENT,
);

test(
  'the lock statistics have the header of version 0.4 and twelve numbers in each row, under their columns',
  async () => {
    const { locks } = await run();
    const lines = textOf(await run(), 'lock_stat.txt').split('\n');
    assert.is(lines[0], 'lock_stat version 0.4');
    assert.match(lines[1] ?? '', /^-{221}$/);
    const columns = (lines[2] ?? '').trim().split(/\s{2,}| (?=[a-z]+-)| (?=acquisitions|contentions)/);
    assert.equal(columns, ['class name', ...LOCK_STAT_COLUMNS]);
    const rows = lines.slice(4).filter((line) => line !== '');
    assert.is(rows.length, locks.length);
    for (const row of rows) {
      const match = /^ *([\w]+)(-[WR])?:((?: +\d+(?:\.\d\d)?){12})$/.exec(row);
      assert.ok(match !== null, row);
      assert.is(row.length, (lines[2] ?? '').length);
      const cells = (match[3] ?? '').trim().split(/ +/).map(Number);
      const [lock] = locks.filter(
        ({ name, mode }) => name === match[1] && (match[2] === undefined || (mode === 'write') === (match[2] === '-W')),
      );
      assert.equal([cells[1], cells[3], cells[4], cells[7]], [lock?.contentions, lock?.waitUsMax, lock?.waitUsTotal, lock?.acquisitions]);
    }
  },
  PATIENT,
);

test(
  'the vmstat text is names and values only, each name once',
  async () => {
    const { counters } = await run();
    const lines = textOf(await run(), 'vmstat.txt')
      .trimEnd()
      .split('\n');
    const pairs = new Map(lines.map((line) => [/^(\w+) \d+$/.exec(line)?.[1], Number(line.split(' ')[1])]));
    assert.is(pairs.size, lines.length);
    assert.not.ok(pairs.has(undefined));
    for (const name of COUNTER_NAMES.filter((one) => counters[one] > 0)) assert.is(pairs.get(name), counters[name], name);
  },
  PATIENT,
);

/** A reader of RFC 4180. */
function readCsv(text: string): string[][] {
  const rows: string[][] = [[]];
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/g)) {
    rows.at(-1)?.push(quoted?.replaceAll('""', '"') ?? plain ?? '');
    if (end === '\r\n') rows.push([]);
  }
  return rows.slice(0, -1);
}

test(
  'CSV is read back as it was written, whatever is in its cells, and has a number in each row of a run',
  async () => {
    fc.assert(
      fc.property(fc.array(fc.array(fc.string({ unit: 'grapheme' }), { minLength: 1 }), { minLength: 1 }), (rows) =>
        assert.equal(readCsv(csvLines(rows)), rows),
      ),
    );
    const [header, ...rows] = readCsv(textOf(await run(), 'run.csv'));
    assert.equal(header, ['table', 'thing', 'metric', 'value', 'unit']);
    for (const row of rows) assert.ok(row.length === 5 && row[3] !== '' && Number.isFinite(Number(row[3])), row.join());
    for (const table of ['run', 'state', 'counter', 'lock', 'latency', 'outcome']) assert.ok(rows.some(([name]) => name === table));
  },
  PATIENT,
);

test('files that cannot be written leave the folder as it was', () =>
  inFolder(async (folder) => {
    writeFileSync(join(folder, 'one.txt'), 'old');
    mkdirSync(join(folder, 'two.txt.'.concat(String(process.pid), '.part')));
    const files = [
      { name: 'one.txt', text: 'new' },
      { name: 'two.txt', text: 'new' },
    ];
    const error = await writeFiles(folder, files).then(
      () => undefined,
      (thrown: unknown) => thrown as Error,
    );
    assert.match(error?.message ?? '', /^Files could not be written into .+; name a folder that has room\.$/);
    assert.is(readFileSync(join(folder, 'one.txt'), 'utf8'), 'old');
    assert.not.ok(readdirSync(folder).includes(`one.txt.${process.pid}.part`));
  }));

test(
  'stress writes all exports into the folder that it is given, and refuses one that it cannot make before it runs',
  () =>
    inFolder(async (folder) => {
      const place = join(folder, 'out');
      const common = ['stress', '--scenario', 'disjoint_anon', '--seconds', '0.2', '--cpus', '2'];
      const done = await mainHere([...common, '--export', place], folder);
      assert.is(done.code, 0, done.errors);
      assert.equal(readdirSync(place).sort(), ['ftrace.txt', 'lock_stat.txt', 'run.csv', 'run.json', 'trace.json', 'vmstat.txt']);
      const read = readRunFile(readFileSync(join(place, 'run.json'), 'utf8'));
      assert.ok('file' in read && read.file.scenario === 'disjoint_anon');
      writeFileSync(join(folder, 'file'), '');
      for (const bad of [join(folder, 'no', 'where'), join(folder, 'file')]) {
        const refused = await mainHere([...common, '--export', bad], folder);
        assert.is(refused.code, 2);
        assert.match(refused.errors, /^(?:The folder .+ does not exist|.+ is there and is no folder)[^\n]+\.\n$/);
        assert.is(refused.out, '');
      }
    }),
  PATIENT,
);

test.run();
