/** `faultlab conform` as a user meets it: what it prints, its exit code, and its JSON. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UsageError } from '@faultlab/core/base/errors';
import { assert, suite } from '@faultlab/test-support';
import { conformCommand } from '@faultlab/workers/cli/conform';
import { Command } from 'commander';
import { GOLDENS } from './fixtures.ts';

const test = suite('faultlab conform');

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly lines: readonly string[];
}

/** Runs the command in this thread. What it throws for bad input, the command line turns into exit code 2. */
async function faultlab(args: readonly string[]): Promise<Ended> {
  let code = 0;
  let out = '';
  const write = (text: string): void => {
    out += text;
  };
  const stream = { write } as unknown as NodeJS.WriteStream;
  const program = new Command('faultlab').exitOverride();
  conformCommand(program, {
    out: stream,
    errors: stream,
    exit: (given) => {
      code = given;
    },
  });
  await program.parseAsync(['conform', ...args], { from: 'user' });
  return { code, out, lines: out.trimEnd().split('\n') };
}

/** Writes the files into a fresh folder, calls the body with it, and removes it. */
async function withFiles<T>(files: Readonly<Record<string, string>>, body: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'faultlab-conform-'));
  try {
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
    return await body(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const golden = (file: string): string => readFileSync(join(GOLDENS, file), 'utf8');
const GOOD = { 'good.txt': golden('anon-basics.txt'), 'good.jsonl': golden('anon-basics.jsonl') };
/** The second operation is recorded with a fault more than there was. */
const BAD = { 'bad.txt': GOOD['good.txt'], 'bad.jsonl': GOOD['good.jsonl'].replace('"minflt":1', '"minflt":2') };

test('scripts that agree exit with 0, and the last line counts', async () => {
  const { code, lines } = await withFiles(GOOD, (folder) => faultlab([folder]));
  assert.is(code, 0, lines.join('\n'));
  assert.is(lines.at(-1), 'conform: 8 operations, 8 same, 0 different, 0 left out');
});

test('what is left out is counted by reason', async () => {
  const { code, out, lines } = await faultlab([join(GOLDENS, 'fork-cow.txt')]);
  assert.is(code, 0, out);
  assert.match(out, /\n +3 {2}counts and events of set-up operations\n/);
  assert.match(out, /keys that differed between two runs/);
  assert.match(lines.at(-1) ?? '', /^conform: 15 operations, 15 same, 0 different, 12 left out$/);
});

test('a planted difference is shown side by side and exits with 1', async () => {
  const { code, out, lines } = await withFiles({ ...GOOD, ...BAD }, (folder) => faultlab([folder]));
  assert.is(code, 1);
  assert.match(out, /bad, line \d+, operation \d+: \S.*\n +expected +got\n/);
  assert.match(out, /\n {2}! minflt {2}2 +1\n/);
  assert.is(lines.at(-1), 'conform: 16 operations, 15 same, 1 different, 0 left out');
});

test('--show says how many differences are printed', async () => {
  const files = { ...BAD, 'bad.jsonl': BAD['bad.jsonl'].replaceAll('"result":"ok"', '"result":"EINTR"') };
  const shown = async (n: string): Promise<number> => {
    const { out } = await withFiles(files, (folder) => faultlab([folder, '--show', n]));
    return out.match(/! result/g)?.length ?? 0;
  };
  assert.equal([await shown('0'), await shown('2'), await shown('100')], [0, 2, 8]);
});

test('a script without a record runs and prints what the model does', async () => {
  const script = { 'mine.txt': 'map 0 4 rw private anon\ntouch 1 w\nfork\n@touch 1 w\n' };
  const { code, out, lines } = await withFiles(script, (folder) => faultlab([join(folder, 'mine.txt')]));
  assert.is(code, 0);
  for (const part of [
    'line 2: touch 1 w: ok; 1 minor fault',
    '0-4 rw-p anon .A..',
    'page_fault_user page=1 error=write',
    'line 4: @ touch 1 w: ok',
  ]) {
    assert.ok(out.includes(part), `"${part}" is missing in\n${out}`);
  }
  assert.is(lines.at(-2), 'without a record: 1 script, 4 operations run and not compared');
  assert.is(lines.at(-1), 'conform: 0 operations, 0 same, 0 different, 0 left out');
});

test('--policy follows another kernel and says that the records are of this one', async () => {
  const { code, out } = await withFiles(GOOD, (folder) => faultlab([folder, '--policy', 'linux-5.4']));
  assert.is(code, 1);
  assert.match(out, /The records are of linux-6\.18; what linux-5\.4 does otherwise is different, too\./);
  assert.match(out, /\n {2}! +- +mmap_lock_start_locking read\n/);
});

test('--json writes the counts, the scripts and every difference', async () => {
  const json = await withFiles({ ...GOOD, ...BAD }, async (folder) => {
    await faultlab([folder, '--show', '0', '--json', join(folder, 'result.json')]);
    return JSON.parse(readFileSync(join(folder, 'result.json'), 'utf8'));
  });
  const { kind, verdict, policy, operations, same, different, notRun, scripts, differences } = json;
  assert.equal(
    { kind, verdict, policy, operations, same, different, notRun },
    { kind: 'conform', verdict: 'differs', policy: 'linux-6.18', operations: 16, same: 15, different: 1, notRun: 0 },
  );
  assert.is(scripts.length, 2);
  assert.equal(differences[0].differs, ['minflt']);
  assert.equal([differences[0].expected.minflt, differences[0].got.minflt], [2, 1]);
});

test('a script named twice, or by its record, runs once; subfolders are left alone', async () => {
  const { lines } = await withFiles(GOOD, (folder) => {
    mkdirSync(join(folder, 'more.txt'));
    return faultlab([join(folder, 'good.txt'), join(folder, 'good.jsonl'), folder]);
  });
  assert.is(lines.at(-1), 'conform: 8 operations, 8 same, 0 different, 0 left out');
});

/** The arguments, in a folder with these files, are refused with such a sentence. */
function checkMisuse(
  what: string,
  files: Readonly<Record<string, string>>,
  args: (folder: string) => readonly string[],
  says: RegExp,
): void {
  test(`${what} is a misuse`, async () => {
    const error = await withFiles(files, (folder) => faultlab(args(folder)).catch((thrown: unknown) => thrown));
    assert.instance(error, UsageError);
    assert.match((error as Error).message, says);
  });
}

const folderOnly = (folder: string): readonly string[] => [folder];
checkMisuse('a bad line', { 'x.txt': 'touch 1 r\ntouch 1\n' }, folderOnly, /x\.txt, line 2: .*touch PAGE r\|w\.$/);
checkMisuse('a bad record', { ...GOOD, 'good.jsonl': '{}\n' }, folderOnly, /good\.jsonl, line 1: /);
checkMisuse('a path that does not exist', {}, (folder) => [join(folder, 'nothing')], /There is no file or folder/);
checkMisuse('a folder without scripts', {}, folderOnly, /has no scripts/);
checkMisuse('a file of another kind', { 'x.md': '' }, (folder) => [join(folder, 'x.md')], /neither a script .* nor a record/);
checkMisuse('a record without its script', { 'x.jsonl': '' }, (folder) => [join(folder, 'x.jsonl')], /has no script .*x\.txt/);
checkMisuse('a policy that does not exist', GOOD, (folder) => [folder, '--policy', 'linux-1.0'], /There is no policy "linux-1\.0"/);
checkMisuse(
  'a folder for the JSON that does not exist',
  GOOD,
  (folder) => [folder, '--json', join(folder, 'no', 'x.json')],
  /does not exist/,
);

test.run();
