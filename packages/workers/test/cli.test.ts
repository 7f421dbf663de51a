/**
 * The command line as a user meets it: exit codes, the verdict line, one sentence for every mistake, a clean end on Ctrl-C.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assert, suite } from '@faultlab/test-support';

const test = suite('command line');
const BIN = fileURLToPath(new URL('../bin/faultlab.mjs', import.meta.url));
const QUICK = ['--cpus', '2', '--seconds', '0.3', '--seed', '5'];

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly errors: string;
}

/** Runs the command. `whenStarted` is called as soon as it has printed its first line. */
function faultlab(args: readonly string[], whenStarted?: (child: ChildProcess) => void): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [BIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    let errors = '';
    child.stdout.on('data', (chunk: Buffer) => {
      if (out === '') whenStarted?.(child);
      out += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      errors += chunk.toString();
    });
    child.on('close', (code) => resolve({ code, out, errors }));
  });
}

const lastLine = (text: string): string => text.trimEnd().split('\n').at(-1) ?? '';

/** The parameters on a verdict line. */
function verdict(out: string): Record<string, string> {
  const line = lastLine(out);
  const match = /^stress: (SUCCESS|FAILURE) (.*)$/.exec(line);
  assert.ok(match, `no verdict line: ${line}`);
  const pairs = (match?.[2] ?? '').split(' ').map((pair) => pair.split('=') as [string, string]);
  return { verdict: match?.[1] ?? '', ...Object.fromEntries(pairs) };
}

test('a good run exits with 0, and its last line has every parameter', async () => {
  const { code, out } = await faultlab(['stress', '--scenario', 'disjoint_anon,fork_cow', '--policy', 'linux-6.4', ...QUICK]);
  assert.is(code, 0, out);
  const { faults, ...rest } = verdict(out);
  assert.ok(Number(faults) > 0);
  assert.equal(rest, {
    verdict: 'SUCCESS',
    policy: 'linux-6.4',
    scenarios: 'disjoint_anon,fork_cow',
    cpus: '2',
    seconds: '0.3',
    seed: '5',
    verify: 'false',
    violations: '0',
  });
  for (const part of ['lock_stat version 0.4', 'vma_lock_success ', 'p99.9', 'Fairness:', 'A model on '])
    assert.ok(out.includes(part), part);
});

test('the canary exits with 1 and prints what broke and how to repeat it', async () => {
  const { code, out } = await faultlab([
    'stress',
    '--scenario',
    'canary',
    '--cpus',
    '4',
    '--seconds',
    '40',
    '--seed',
    '9',
    '--no-hunt',
    '--no-dir',
  ]);
  assert.is(code, 1, out);
  assert.equal([verdict(out)['verdict'], verdict(out)['reason']], ['FAILURE', 'exclusion']);
  assert.match(verdict(out)['violations'] ?? '', /^[1-9]\d*$/); // Several CPUs may find it at the same moment.
  assert.match(out, /!!! exclusion broken, found by CPU \d/);
  assert.match(out, /--scenario canary --policy linux-6\.18 --cpus 4 --seconds 40 --seed \d+/);
});

test('--json writes the whole result and leaves no other file', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'faultlab-'));
  try {
    const file = join(folder, 'result.json');
    const { code } = await faultlab(['stress', '--scenario', 'munmap_storm', '--json', file, ...QUICK]);
    assert.is(code, 0);
    const result = JSON.parse(readFileSync(file, 'utf8'));
    assert.is(result.schema, 1);
    assert.is(result.verdict, 'success');
    assert.equal(result.parameters.scenarios, ['munmap_storm']);
    assert.ok(result.faults > 0);
    assert.equal(readdirSync(folder), ['result.json']);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('an interrupt ends the run with its summary and exit code 130', async () => {
  const { code, out } = await faultlab(['stress', '--cpus', '2', '--seconds', '60'], (child) => child.kill('SIGINT'));
  assert.is(code, 130, out);
  assert.is(verdict(out)['interrupted'], 'true');
});

const mistakes: readonly (readonly [readonly string[], RegExp])[] = [
  [['stress', '--cpus', '0'], /^--cpus is 0, but it must be a whole number from 1 to 512\.$/],
  [['stress', '--cpus', '1e1'], /^--cpus is "1e1", but it must be a whole number from 1 to 512\.$/],
  [['stress', '--seconds', '-3'], /^--seconds is "-3", but it must be a number above 0 and up to 604800\.$/],
  [['stress', '--seed', 'abc'], /^--seed is "abc", but it must be a whole number from 0 to 4294967295\.$/],
  [['stress', '--scenario', 'nonsense'], /^There is no scenario "nonsense"; choose from disjoint_anon, .*\.$/],
  [['stress', '--arch', 'vax'], /^There is no architecture "vax"; choose one of x86, /],
  [['stress', '--scenario', 'swarm,'], /^--scenario is "swarm,", but it must be names separated by commas/],
  [['stress', '--policy', 'linux-1.0'], /^There is no policy "linux-1\.0"; choose one of .*\.$/],
  [['stress', '--json', '/no/such/folder/x.json'], /^The folder \/no\/such\/folder does not exist/],
  [['stress', '--nonsense'], /^Unknown option '--nonsense'; see faultlab --help\.$/],
  [['stress', '--cpus'], /^Option '--cpus <n>' argument missing; see faultlab --help\.$/],
  [['stress', 'surplus'], /^Too many arguments/],
  [['nonsense'], /^Unknown command 'nonsense'; see faultlab --help\.$/],
  [
    ['list', 'nonsense'],
    /^There is no list of "nonsense"; choose scenarios, policies, architectures, injections, mutants, metrics or invariants\.$/,
  ],
];
for (const [args, message] of mistakes) {
  test(`'${args.join(' ')}' is refused in one sentence with exit code 2`, async () => {
    const { code, out, errors } = await faultlab(args);
    assert.is(code, 2);
    assert.is(out, '');
    assert.match(errors.trimEnd(), message);
    assert.is(errors.trimEnd().split('\n').length, 1);
  });
}

const helps: readonly (readonly [readonly string[], RegExp])[] = [
  [['--help'], /Usage: faultlab[\s\S]*stress[\s\S]*list/],
  [['stress', '--help'], /--policy[\s\S]*--scenario[\s\S]*--cpus[\s\S]*--seconds[\s\S]*--seed[\s\S]*--json[\s\S]*Exit codes/],
  [['list', 'scenarios'], /munmap_storm[\s\S]*canary/],
  [['list', 'policies'], /linux-5\.4[\s\S]*linux-6\.18/],
  [['list', 'architectures'], /x86[\s\S]*sparc32/],
  [['list', 'invariants'], /I01[\s\S]*I25/],
];
for (const [args, content] of helps) {
  test(`'${args.join(' ')}' prints and exits with 0`, async () => {
    const { code, out } = await faultlab(args);
    assert.is(code, 0);
    assert.match(out, content);
  });
}

test.run();
