/** Files that are no good, and what may come of a command that is given one: exit code 0 or 2, and of a refusal one line and no more. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert } from '@faultlab/test-support';
import type { Ended } from '../soak/fixtures.ts';

/** Files that are no good, by name. */
export const FILES: Readonly<Record<string, string | Uint8Array>> = {
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
  'leaves.mjs': 'process.exit(0);\n',
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
export const NAMES: readonly string[] = [
  ...Object.keys(FILES),
  'folder',
  'nowhere',
  'nowhere/x.json',
  '/proc/version/x',
  '/dev/null',
  '',
  '.',
  '-',
];

export function checkEnded(args: readonly string[], { code, signal, out, errors }: Ended): void {
  const what = JSON.stringify({ args, code, signal, out: out.slice(-500), errors: errors.slice(-2_000) });
  assert.ok(code === 0 || code === 2, what);
  if (code === 0) return;
  assert.is(out, '', what);
  assert.match(errors, /^[^\n]+[.?]\n$/, what);
  assert.not.ok(errors.includes('\u001b'), what);
}

export async function withFiles(body: (folder: string) => Promise<void>): Promise<void> {
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
