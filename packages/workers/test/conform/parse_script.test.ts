/** Scripts as text: every form of a line, every kind of mistake, and garbage. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from '@faultlab/core/base/errors';
import * as mman from '@faultlab/core/mm/mman';
import { assert, suite } from '@faultlab/test-support';
import { OPERATION_NAMES } from '@faultlab/workers/conform/operations/by_name';
import { parseScript } from '@faultlab/workers/conform/parse_script';
import fc from 'fast-check';
import { GOLDENS } from './fixtures.ts';

const test = suite('conform/parse_script');

const MAP = { name: 'map', start: 0, pages: 8, prot: 3, shared: false, file: undefined, offset: 0, options: 0 };
const FILES = 'file f 32\nmemfd m 16\n';

/** The last line of the text becomes this operation. */
function check(text: string, operation: unknown): void {
  assert.equal(parseScript('s.txt', text).at(-1)?.operation, operation, text);
}

test('every operation becomes its values', () => {
  check('map 0 8 rw private anon', MAP);
  check('map 4095 1 - private anon', { ...MAP, start: 4095, pages: 1, prot: 0 });
  check('map 0 8 rwx private anon', { ...MAP, prot: 7 });
  check('map 0 8 rx shared anon', { ...MAP, prot: 5, shared: true });
  check('map 0 8 rw private anon populate locked', { ...MAP, options: mman.MAP_POPULATE | mman.MAP_LOCKED });
  check('map 0 8 rw private anon growsdown noreplace', { ...MAP, options: mman.MAP_GROWSDOWN | mman.MAP_FIXED_NOREPLACE });
  check(`${FILES}map 0 8 rw shared f 5`, { ...MAP, shared: true, file: 'f', offset: 5 });
  check(`${FILES}map 0 8 rw private m populate`, { ...MAP, file: 'm', options: mman.MAP_POPULATE });
  check('unmap 3 0', { name: 'unmap', start: 3, pages: 0 });
  check('protect 0 4096 r', { name: 'protect', start: 0, pages: 4096, prot: 1 });
  check('lock 1 2', { name: 'lock', start: 1, pages: 2 });
  check('unlock 1 2', { name: 'unlock', start: 1, pages: 2 });
  check('remap 0 4 8', { name: 'remap', start: 0, old: 4, wanted: 8, to: undefined });
  check('remap 0 4 8 20', { name: 'remap', start: 0, old: 4, wanted: 8, to: 20 });
  check('advise 0 4 pageout', { name: 'advise', start: 0, pages: 4, advice: mman.MADV_PAGEOUT });
  check('touch 7 r', { name: 'touch', page: 7, write: false });
  check('touch 7 w', { name: 'touch', page: 7, write: true });
  for (const name of ['peek', 'poke', 'copyin']) check(`${name} 3`, { name, page: 3 });
  check('fork', { name: 'fork' });
  check('file f 32', { name: 'file', file: 'f', pages: 32 });
  check('memfd f 0', { name: 'memfd', file: 'f', pages: 0 });
  for (const name of ['evict', 'sync']) check(`${FILES}${name} f`, { name, file: 'f' });
  check(`${FILES}truncate m 3`, { name: 'truncate', file: 'm', pages: 3 });
  for (const name of ['fread', 'fwrite']) check(`${FILES}${name} f 9`, { name, file: 'f', index: 9 });
  check('msync 0 4', { name: 'msync', start: 0, pages: 4 });
  check('squeeze', { name: 'squeeze' });
  check('drop_caches 3', { name: 'drop_caches', what: 3 });
  check('uffd 0 8 wp', { name: 'uffd', start: 0, pages: 8, mode: 'wp', answer: 'copy' });
  check('uffd 0 8 missing zero', { name: 'uffd', start: 0, pages: 8, mode: 'missing', answer: 'zero' });
});

test('comments, blanks and the sign of the child do not belong to the operation', () => {
  const lines = parseScript('s.txt', '# head\n\n  touch   1  r # tail\r\nfork\n@touch 2 w\n@ touch 3 w\n');
  assert.equal(
    lines.map(({ line, space, text }) => [line, space, text]),
    [
      [3, 0, 'touch 1 r'],
      [4, 0, 'fork'],
      [5, 1, 'touch 2 w'],
      [6, 1, 'touch 3 w'],
    ],
  );
});

test('every recorded script is read, and every operation but few occurs in them', () => {
  const scripts = readdirSync(GOLDENS).filter((file) => file.endsWith('.txt'));
  const names = new Set<string>();
  for (const file of scripts) {
    for (const { operation } of parseScript(file, readFileSync(join(GOLDENS, file), 'utf8'))) names.add(operation.name);
  }
  assert.is(scripts.length, 38);
  assert.equal(
    OPERATION_NAMES.filter((name) => !names.has(name)),
    ['fread', 'drop_caches'],
  );
});

/** The text is refused with one sentence that names the file, the line, and this. */
function checkRefused(text: string, line: number, says: RegExp): void {
  let message = '';
  try {
    parseScript('bad.txt', text);
  } catch (error) {
    assert.instance(error, UsageError, text);
    message = (error as Error).message;
  }
  assert.ok(message.startsWith(`bad.txt, line ${line}: `) && message.endsWith('.'), `${text}: ${message}`);
  assert.match(message, says);
}

test('a mistake is a sentence with the file, the line and the right form', () => {
  checkRefused('touch 1 r\n\ntuch 0 r', 3, /no operation "tuch".*the operations are map, unmap/);
  checkRefused('constructor 3', 1, /no operation "constructor"/);
  checkRefused('@', 1, /no child yet/);
  checkRefused('touch 5', 1, /missing.*touch PAGE r\|w/);
  checkRefused('touch 4096 r', 1, /0 to 4095/);
  checkRefused('touch -1 r', 1, /"-1"/);
  checkRefused('touch 0x10 r', 1, /"0x10"/);
  checkRefused('touch 5 r r', 1, /"r" is too much/);
  checkRefused('unmap 4000 97', 1, /LEN is "97".*0 to 96/);
  checkRefused('protect 0 4 wr', 1, /PROT is "wr"/);
  checkRefused('map 0 8 rw private f 0', 1, /no earlier line makes a file "f"/);
  checkRefused('map 0 8 rw private anon 3', 1, /the option is "3"/);
  checkRefused('map 0 8 rw secret anon', 1, /"secret".*private, shared/);
  checkRefused('advise 0 8 fre', 1, /"fre".*free/);
  checkRefused('file anon 8', 1, /not be anon/);
  checkRefused('file f 8\nmemfd f 8', 2, /exists already/);
  checkRefused('evict f', 1, /no earlier line/);
  checkRefused('@ touch 1 r\nfork', 1, /no child yet.*"fork" above/);
  checkRefused('fork\nfork', 2, /second fork/);
  checkRefused('fork\n@fork', 2, /second fork/);
  checkRefused(`touch ${'9'.repeat(500)} r`, 1, /\.\.\."/);
});

test('garbage is read or refused, and nothing else happens', () => {
  const word = fc.oneof(
    fc.constantFrom(...OPERATION_NAMES, '@', '#', 'anon', 'private', 'shared', 'rw', '-', 'r', 'f', '__proto__'),
    fc.integer({ min: -2, max: 5000 }).map(String),
    fc.string({ unit: 'binary', maxLength: 6 }),
  );
  const line = fc.array(word, { maxLength: 7 }).map((words) => words.join(' '));
  fc.assert(
    fc.property(fc.array(line, { maxLength: 6, size: 'medium' }), (lines) => {
      try {
        const parsed = parseScript('any.txt', lines.join('\n'));
        for (const { text, operation } of parsed) assert.is(text.split(' ')[0], operation.name);
      } catch (error) {
        assert.instance(error, UsageError);
        assert.match((error as Error).message, /^any\.txt, line \d+: /);
      }
    }),
    { numRuns: 1000 },
  );
});

test('a drawn operation is read back from its own text', () => {
  const page = fc.integer({ min: 0, max: 4095 });
  fc.assert(
    fc.property(page, fc.integer({ min: 0, max: 4096 }), fc.constantFrom('-', 'r', 'rw', 'rwx', 'x'), (start, length, prot) => {
      const pages = Math.min(length, 4096 - start);
      const [line] = parseScript('s.txt', `  protect ${start}  ${pages} ${prot}  `);
      const bits = (prot.includes('r') ? 1 : 0) | (prot.includes('w') ? 2 : 0) | (prot.includes('x') ? 4 : 0);
      assert.equal(line?.operation, { name: 'protect', start, pages, prot: bits });
      assert.is(line?.text, `protect ${start} ${pages} ${prot}`);
    }),
  );
});

test.run();
