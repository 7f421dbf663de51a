/**
 * What is printed and written about a failed schedule, and the round trip: it fails, its line is parsed, and the line gives the same trace and the
 * same verdict.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert, suite } from '@faultlab/test-support';
import { main } from '@faultlab/workers/cli/main';

const test = suite('failure report');

async function faultlab(...args: string[]): Promise<{ code: number; out: string; errors: string }> {
  const [out, errors]: [string[], string[]] = [[], []];
  const code = await main(args, {
    out: { write: (text: string) => out.push(text) },
    errors: { write: (text: string) => errors.push(text) },
  });
  return { code, out: out.join(''), errors: errors.join('') };
}

const EXPLORE = ['explore', '--scenario', 'munmap_storm', '--mutant', 'B41', '--ops', '8', '--strategy', 'random', '--seed', '3'];
const FILES = ['again.txt', 'failure.txt', 'lock_stat.txt', 'params.json', 'trace.json', 'trace.txt'];
/** In this order, once each. */
const PARTS = [
  '--- FAILURE: I07 ',
  '!!! I07 broken',
  'FORBIDDEN',
  'The schedule:',
  '!!! I07: ',
  'Held and waited for:',
  'Again:',
  'Folder: ',
];

test(
  'a failure is shrunk, told in one block and kept in a folder, and its line gives the same trace and verdict',
  async () => {
    const parent = mkdtempSync(join(tmpdir(), 'faultlab-'));
    try {
      const folder = join(parent, 'failure');
      const found = await faultlab(...EXPLORE, '--dir', folder);
      assert.is(found.code, 1, found.errors);
      const places = PARTS.map((part) => found.out.indexOf(part));
      assert.ok(
        places.every((place, index) => place > (places[index - 1] ?? -1)),
        found.out,
      );
      for (const part of PARTS) assert.is(found.out.split(part).length, 2, part);
      assert.equal(readdirSync(parent), ['failure']);
      assert.equal(readdirSync(folder).sort(), FILES);
      const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
      const word = /^ {2}faultlab again (\S+)$/m.exec(found.out)?.[1] ?? '';
      assert.is(read('again.txt'), `${word}\n`);
      assert.is(JSON.parse(read('params.json')).parameters.scenario, 'munmap_storm');
      assert.ok(JSON.parse(read('trace.json')).traceEvents.length > 0);
      assert.match(read('trace.txt'), /mmap_lock_start_locking/);
      assert.match(read('lock_stat.txt'), /^lock_stat version 0\.4/);
      const block = read('failure.txt').trimEnd();
      assert.ok(found.out.startsWith(block));
      for (const again of [word, join(folder, 'again.txt')]) {
        const repeated = await faultlab('again', again);
        assert.is(repeated.code, 1, repeated.errors);
        // What it was before it was shrunk is all that the line does not say.
        assert.ok(repeated.out.startsWith(block.replace(/^It was shrunk from .*\n/m, '')), repeated.out);
        assert.match(repeated.out, /\nagain: failed in the same way, \d+ steps\n$/);
      }
    } finally {
      rmSync(parent, { recursive: true });
    }
  },
  { deadlineMs: 120_000 },
);

test(
  'a folder that cannot be written is one line, and hides nothing; one that is named badly is refused before anything runs',
  async () => {
    const parent = mkdtempSync(join(tmpdir(), 'faultlab-'));
    const file = join(parent, 'file');
    writeFileSync(file, '');
    const before = process.env['INIT_CWD'];
    try {
      const refused = await faultlab(...EXPLORE, '--dir', file);
      assert.equal([refused.code, refused.out], [2, '']);
      assert.match(refused.errors, /is there and is no folder/);
      // The default name is made where the user is, and that is no folder any more.
      process.env['INIT_CWD'] = file;
      const { code, out } = await faultlab(...EXPLORE, '--no-shrink');
      assert.is(code, 1);
      assert.match(out, /!!! I07 broken/);
      assert.match(out, /^There is no folder of this failure: .*$/m);
      assert.match(out, /\nexplore: \d+ schedules, 1 failing/);
      assert.equal(readdirSync(parent), ['file']);
    } finally {
      if (before === undefined) delete process.env['INIT_CWD'];
      else process.env['INIT_CWD'] = before;
      rmSync(parent, { recursive: true });
    }
  },
  { deadlineMs: 120_000 },
);

test.run();
