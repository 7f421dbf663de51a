/** Generated command lines with generated values: refused in one line, and nothing is written; with every option that there is. */
import { tmpdir } from 'node:os';
import { assert, suite } from '@faultlab/test-support';
import fc from 'fast-check';
import { mainHere } from '../soak/fixtures.ts';
import { checkEnded, NAMES, withFiles } from './bad_files.ts';
import { bounds, number, text } from './garbage.ts';

const test = suite('bad input: command line');

/** Values that every option refuses, whatever its kind. */
const bad = fc
  .oneof(text, number, fc.constantFrom(...NAMES))
  .filter((word) => !/^0*(?:[1-9]\d{0,8}|0)(?:\.\d+)?$/.test(word.trim()) && word !== '-');

/** Options with a value, by command: all that there are. */
const OPTIONS: Readonly<Record<string, readonly string[]>> = {
  stress: [
    ...['--policy', '--arch', '--scenario', '--cpus', '--seconds', '--seed', '--hours', '--resume', '--checkpoint'],
    ...['--inject', '--stall-ms', '--hunt-seconds', '--verify'],
  ],
  compare: ['--scenario', '--policies', '--runs', '--seconds', '--cpus', '--seed', '--trace', '--io', '--self-check'],
  claims: ['--runs', '--seed', '--against'],
  report: [],
  replay: ['--policy', '--speed', '--io', '--show', '--inject', '--seed', '--stall-ms'],
  conform: ['--policy', '--show', '--inject', '--seed'],
  faults: ['--policy'],
  explore: [
    ...['--scenario', '--strategy', '--depth', '--bound', '--schedules', '--seconds', '--seed', '--cpus', '--ops'],
    ...['--policy', '--mutant', '--inject', '--verify'],
  ],
  again: [],
  shrink: ['--budget', '--seconds'],
  torture: ['--threads', '--seconds', '--schedules', '--overtakings', '--seed'],
  mutants: ['--engine', '--strategy', '--seeds', '--seed', '--schedules', '--seconds', '--minutes'],
  list: [],
};
/** Options whose value may be nearly any text, because it names a file that is written; see FOLDER_USES. */
const WRITES = ['--json', '--result', '--export', '--html', '--dir'];

/** A command with at least one thing wrong that nothing can make right. */
const commandLine = fc.constantFrom(...Object.keys(OPTIONS)).chain((command) => {
  const options = OPTIONS[command] as readonly string[];
  const option = fc.tuple(fc.constantFrom(...(options.length === 0 ? ['--nothing'] : options)), bad).map(([name, value]) => [name, value]);
  const unknown = fc
    .oneof(fc.constant(['--nonsense']), fc.constant(['-x', '1']), fc.constant(['--cpus=']), fc.constant(['--', '--']))
    .map((words) => [...words]);
  const operand = fc.constantFrom(...NAMES.filter((name) => name !== '-' && name !== '')).map((name) => [name]);
  const extra = fc.array(fc.oneof(option, unknown, operand), { maxLength: 3 });
  return fc.tuple(option, extra).map(([first, rest]) => [command, ...first, ...rest.flat()]);
});

test('the generated command lines have every command and every option that there is', async () => {
  const { out } = await mainHere(['--help'], tmpdir());
  const commands = [...out.matchAll(/^ {2}([a-z]+) /gm)].map((match) => match[1] as string);
  assert.equal(commands.sort(), Object.keys(OPTIONS).sort());
  for (const command of commands) {
    const help = await mainHere([command, '--help'], tmpdir());
    const withValue = [...help.out.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+) [<[]/gm)].map((match) => match[1] as string);
    assert.equal(withValue.filter((option) => !WRITES.includes(option)).sort(), [...(OPTIONS[command] as string[])].sort(), command);
  }
});

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

test.run();
