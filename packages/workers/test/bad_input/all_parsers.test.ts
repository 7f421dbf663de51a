/** Every module that reads what a user gives is thrown garbage at, by itself or through the module that calls it. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assert, suite } from '@faultlab/test-support';

const test = suite('bad input: all parsers');
const SRC = fileURLToPath(new URL('../../src', import.meta.url));
const TESTS = fileURLToPath(new URL('../../test', import.meta.url));

/** The property test of each module, and the module that it imports. */
const PARSERS: Readonly<Record<string, readonly [test: string, module: string]>> = {
  'cli/command': ['bad_input/parsers', 'cli/command'],
  'conform/parse_script': ['bad_input/parsers', 'conform/parse_script'],
  'conform/read_record': ['bad_input/parsers', 'conform/read_record'],
  'device/device_options': ['bad_input/parsers', 'device/device_options'],
  'inject/parse_inject': ['inject/parse_inject', 'inject/parse_inject'],
  'perf_script/parse_line': ['bad_input/parsers', 'perf_script/build_timeline'],
  'perf_script/parse_record': ['bad_input/parsers', 'perf_script/build_timeline'],
  'perf_script/parse_syscall': ['bad_input/parsers', 'perf_script/build_timeline'],
  'perf_script/read_trace': ['bad_input/parsers', 'perf_script/build_timeline'],
  'policy/load_policy': ['bad_input/files', 'soak/fixtures'],
  'policy/policy_schema': ['bad_input/parsers', 'policy/policy_schema'],
  'soak/soak_file': ['bad_input/parsers', 'soak/soak_file'],
  'soak/soak_lock': ['soak/soak_lock', 'soak/soak_lock'],
};

/** Modules by whose names one knows that they read something. */
const READS = /(^|\/)(parse_\w+|read_\w+|load_\w+|\w+_schema|soak_file|soak_lock|command|device_options)\.ts$/;

test('each of them has a property test', () => {
  const modules = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
    .filter((file) => READS.test(file))
    .map((file) => file.replace(/\.ts$/, ''));
  assert.equal(modules.sort(), Object.keys(PARSERS).sort());
  for (const [module, [file, imported]] of Object.entries(PARSERS)) {
    const text = readFileSync(join(TESTS, `${file}.test.ts`), 'utf8');
    assert.ok(
      text.includes(`${basename(imported)}'`) || text.includes(`${basename(imported)}.ts'`),
      `${file} does not use ${imported} for ${module}`,
    );
    assert.ok(/\bfc\.|FILE_USES/.test(text), `${file} generates nothing`);
  }
});

test.run();
