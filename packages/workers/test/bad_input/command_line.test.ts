/** Generated command lines with generated files: exit code 0 or 2, and of a refusal one line and no more, in this process and in real ones. */
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assert, suite } from '@faultlab/test-support';
import fc from 'fast-check';
import { type Ended, mainHere } from '../soak/fixtures.ts';
import { bounds, number, text } from './garbage.ts';

const test = suite('bad input: command line');
const BIN = fileURLToPath(new URL('../../bin/faultlab.mjs', import.meta.url));

/** Files that are no good, by name. */
const FILES: Readonly<Record<string, string | Uint8Array>> = {
  'empty.txt': '',
  'garbage.txt': 'touch\u0000 1 \x1b[31m\nfork fork',
  'late.txt': 'map 0 8 rw private anon\ntouch 3 w\nexplode 3\n',
  'record.txt': 'touch 0 w\n',
  'record.jsonl': '{"op":0,"mm":0,"do":"touch 0 w","result":"ok","minflt":1e999,"majflt":0,"vmas":[],"events":["\\u2028"]}\n',
  'trace.txt': ' gcc 1/1 [000] 1.000000000: syscalls:sys_enter_mmap: addr: 0x0\n',
  'cut.txt.gz': new Uint8Array([0x1f, 0x8b, 8, 0, 0, 0]),
  'perf.data': 'PERFILE2\0\0\0',
  'throws.mjs': 'throw Object.create(null);\n',
  'syntax.mjs': 'export default {\n',
  'getter.mjs': 'export default { get name() { throw new Error("two\\nlines"); } };\n',
  'symbol.mjs': 'export default Symbol("x");\n',
  'class.mjs': 'export default class Policy {}\n',
  'plain.js': 'module.exports = { name: "x" };\n',
  'typeless.js': 'export default { name: "x" };\n',
  'policy.json': '{"name":"two\\nlines"}',
  'broken.json': '{"name":\n',
  'list.json': '[1,2]',
  'soak.json': '{"schema":1,"kind":"soak","state":"running\\n"}',
  'deep.json': '['.repeat(100_000),
};
const NAMES = [...Object.keys(FILES), 'folder', 'nowhere', 'nowhere/x.json', '/proc/version/x', '/dev/null', '', '.', '-'];

/** Values that every option refuses, whatever its kind. */
const bad = fc
  .oneof(text, number, fc.constantFrom(...NAMES))
  .filter((word) => !/^0*(?:[1-9]\d{0,8}|0)(?:\.\d+)?$/.test(word.trim()) && word !== '-');

const OPTIONS: Readonly<Record<string, readonly string[]>> = {
  stress: ['--policy', '--arch', '--scenario', '--cpus', '--seconds', '--seed', '--hours', '--resume', '--checkpoint'],
  replay: ['--policy', '--speed', '--io', '--show'],
  conform: ['--policy', '--show'],
  faults: ['--policy'],
  list: ['--policy', '--what'],
};

/** A command with at least one thing wrong that nothing can make right. */
const commandLine = fc.constantFrom(...Object.keys(OPTIONS)).chain((command) => {
  const option = fc.tuple(fc.constantFrom(...(OPTIONS[command] as string[])), bad).map(([name, value]) => [name, value]);
  const unknown = fc
    .oneof(fc.constant(['--nonsense']), fc.constant(['-x', '1']), fc.constant(['--cpus=']), fc.constant(['--', '--']))
    .map((words) => [...words]);
  const operand = fc.constantFrom(...NAMES.filter((name) => name !== '-' && name !== '')).map((name) => [name]);
  const extra = fc.array(fc.oneof(option, unknown, operand), { maxLength: 3 });
  return fc.tuple(option, extra).map(([first, rest]) => [command, ...first, ...rest.flat()]);
});

function checkEnded(args: readonly string[], { code, signal, out, errors }: Ended): void {
  const what = JSON.stringify({ args, code, signal, out: out.slice(-500), errors: errors.slice(-2_000) });
  assert.ok(code === 0 || code === 2, what);
  if (code === 0) return;
  assert.is(out, '', what);
  assert.match(errors, /^[^\n]+[.?]\n$/, what);
  assert.not.ok(errors.includes('\u001b'), what);
}

async function withFiles(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'faultlab-bad-'));
  try {
    for (const [name, content] of Object.entries(FILES)) writeFileSync(join(folder, name), content);
    mkdirSync(join(folder, 'folder'));
    const before = readdirSync(folder);
    await body(folder);
    assert.equal(readdirSync(folder), before, 'something was written');
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test(
  'a command line with something wrong is refused in one line, and nothing is written',
  () =>
    withFiles(async (folder) => {
      await fc.assert(
        fc.asyncProperty(commandLine, async (args) => checkEnded(args, await mainHere(args, folder))),
        bounds(400, 10_000),
      );
    }),
  { deadlineMs: 50_000 },
);

/** Every file where every command takes one. */
const FILE_USES: readonly (readonly string[])[] = Object.keys(FILES).flatMap((name) => [
  ['conform', name],
  ['replay', name],
  ['stress', '--policy', `./${name}`],
  ['faults', '--policy', `./${name}`],
  ['stress', '--resume', name],
  ['replay', '--io', `list:${name}`, 'trace.txt'],
]);
/** Paths that are no file's. */
const NO_FILES = [
  'folder',
  'nowhere',
  'empty.txt/x',
  'empty.txt/x.txt',
  'empty.txt/x.js',
  '/proc/self/mem',
  'x'.repeat(300),
  `${'x'.repeat(300)}.txt`,
  '.',
];
const FOLDERS = ['folder', '.'];
const PATH_USES: readonly (readonly string[])[] = NO_FILES.flatMap((path) => [
  ['conform', path],
  ['replay', path],
  ['stress', '--policy', `./${path}`],
  ['stress', '--resume', path],
  ['replay', '--io', `list:${path}`, 'trace.txt'],
]);
const FOLDER_USES: readonly (readonly string[])[] = NO_FILES.filter((path) => !FOLDERS.includes(path)).flatMap((path) => [
  ['stress', '--hours', '1', '--result', `${path}/x`],
  ['faults', '--json', `${path}/x`],
]);

test(
  'a file that is no good is refused by every command that takes one',
  () =>
    withFiles(async (folder) => {
      for (const args of [...FILE_USES, ...PATH_USES, ...FOLDER_USES]) {
        const ended = await mainHere(args, folder);
        checkEnded(args, ended);
        assert.is(ended.code, 2, JSON.stringify(args));
      }
    }),
  { deadlineMs: 50_000 },
);

const VANISHING: readonly (readonly [args: readonly string[], lastLine: RegExp])[] = [
  [['stress', '--seconds', '0.2', '--cpus', '1', '--scenario', 'disjoint_anon'], /^stress: SUCCESS /],
  [['conform', 'good.txt'], /^conform: /],
  [['faults', '--policy', 'linux-5.4'], /^faults: \d+ kinds under 1 policies$/],
];

test(
  'when the folder of --json vanishes during the run, the report is complete, one line says so, and nothing is left',
  () =>
    withFiles(async (folder) => {
      for (const [args, last] of VANISHING) {
        const gone = join(folder, 'gone');
        mkdirSync(gone);
        writeFileSync(join(folder, 'good.txt'), 'map 0 8 rw private anon\ntouch 0 w\n');
        const ended = await mainHere([...args, '--json', 'gone/x.json'], folder, () => rmSync(gone, { recursive: true, force: true }));
        rmSync(join(folder, 'good.txt'));
        assert.is(ended.code, 2, ended.errors);
        assert.match(ended.out.trimEnd().split('\n').at(-1) ?? '', last);
        assert.match(
          ended.errors.split('\n').at(-2) ?? '', // Above it may be lines of progress.
          /^The result could not be written to .*gone\/x\.json \(ENOENT\); name a file in a folder that exists and has room\.$/,
        );
      }
    }),
  { deadlineMs: 50_000 },
);

/** A real process, with the deadline of a hang. @param out where its output goes, when not back here */
function realProcess(args: readonly string[], folder: string, out?: number | 'closed'): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [BIN, ...args], {
      cwd: folder,
      env: { ...process.env, INIT_CWD: folder },
      stdio: ['ignore', typeof out === 'number' ? out : 'pipe', 'pipe'],
      timeout: 25_000,
    });
    const text = { out: '', errors: '' };
    if (out === 'closed') child.stdout?.destroy();
    child.stdout?.on('data', (chunk: Buffer) => {
      text.out += chunk.toString();
    });
    child.stderr?.on('data', (chunk: Buffer) => {
      text.errors += chunk.toString();
    });
    child.on('close', (code, signal) => resolve({ code, signal, ...text }));
  });
}

/** What only a process shows: warnings of Node.js, errors that nobody caught, output streams. */
const PROCESSES: readonly (readonly string[])[] = [
  ['stress', '--policy', './policy.json'],
  ['stress', '--policy', './typeless.js'],
  ['faults', '--policy', './throws.mjs'],
  ['stress', '--resume', 'deep.json'],
  ['replay', 'cut.txt.gz', '--json', 'folder'],
  ['conform', 'record.txt', '--json', '/proc/x.json'],
  ['\x1b[2J\n'],
];

test(
  'real processes refuse it in the same way',
  () =>
    withFiles(async (folder) => {
      const queue = PROCESSES.map((args) => args);
      const lane = async (): Promise<void> => {
        for (let args = queue.shift(); args !== undefined; args = queue.shift()) {
          const ended = await realProcess(args, folder);
          checkEnded(args, ended);
          assert.is(ended.code, 2, JSON.stringify(args));
        }
      };
      await Promise.all([lane(), lane()]);
    }),
  { deadlineMs: 60_000 },
);

test(
  'output that nobody reads is no mistake, output that does not fit is one',
  async () => {
    const closed = await realProcess(['list', 'scenarios'], tmpdir(), 'closed');
    assert.equal([closed.code, closed.errors], [0, '']);
    const full = openSync('/dev/full', 'w');
    try {
      const { code, errors } = await realProcess(['list', 'scenarios'], tmpdir(), full);
      assert.equal([code, errors], [2, 'The output could not be written (ENOSPC); send it to a place that has room.\n']);
    } finally {
      closeSync(full);
    }
  },
  { deadlineMs: 40_000 },
);

test.run();
