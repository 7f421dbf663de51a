/** How a script ends: at its end, at something that is not modelled, or at a broken invariant. */
import { InvariantError } from '@faultlab/core/base/errors';
import { map_count, set_map_count } from '@faultlab/core/mm/mm_struct';
import { policyByName } from '@faultlab/core/policy/policies';
import { assert, suite } from '@faultlab/test-support';
import { runOperation } from '@faultlab/workers/conform/operations/by_name';
import { parseScript } from '@faultlab/workers/conform/parse_script';
import { runScript } from '@faultlab/workers/conform/run_script';
import { ScriptMachine } from '@faultlab/workers/conform/script_machine';

const test = suite('conform/run_script');

const POLICY = policyByName('linux-6.18');
const run = (text: string) => runScript(parseScript('s.txt', text), POLICY);

test('each operation is seen with its result, counts, layout and events', () => {
  const { seen, notModelled, broken } = run('map 2 3 rw private anon\ntouch 3 w\ntouch 9 r');
  assert.is(notModelled, undefined);
  assert.equal(broken, []);
  const area = { start: 2, end: 5, prot: 'rw-p', pgoff: 0, of: 'anon' };
  assert.equal(seen[1], {
    result: 'ok',
    minflt: 1,
    majflt: 0,
    vmas: [{ ...area, pages: '.A.' }],
    events: [
      'page_fault_user page=3 error=write',
      'mmap_lock_start_locking read',
      'mmap_lock_acquire_returned read ok',
      'mmap_lock_released read',
    ],
  });
  assert.is(seen[2]?.result, 'SEGV_MAPERR');
});

test('a fault outside the arena says so, and an errno has its name', () => {
  const { seen } = run('map 0 8 rw private anon growsdown\nmap 0 8 rw private anon noreplace\nprotect 4 8 r');
  assert.equal(
    seen.map(({ result }) => result),
    ['ok', 'EEXIST', 'ENOMEM'],
  );
});

test('parent and child have layouts of their own', () => {
  const { seen } = run('map 0 2 rw private anon\ntouch 0 w\nfork\n@ unmap 0 1\ntouch 0 r');
  assert.equal(
    seen.map(({ vmas }) => vmas.map(({ pages }) => pages)),
    [['..'], ['A.'], ['A.'], ['.'], ['A.']],
  );
});

test(
  'an arena full of areas of one page, in parent and child, fits into the machine',
  () => {
    const machine = new ScriptMachine(POLICY);
    const last = { events: 0, areas: 0 };
    const lines = ['map 0 4096 rw private anon populate'];
    for (let page = 1; page < 4096; page += 2) lines.push(`protect ${page} 1 -`);
    lines.push('fork', '@ touch 0 w', '@ touch 2 w', '@ map 0 4096 rw private anon populate');
    for (const { space, operation } of parseScript('s.txt', lines.join('\n'))) {
      const mm = machine.enter(space);
      last.events = machine.cpu.traceNext;
      if (operation.name === 'map') last.areas = map_count(machine.cpu.memory, mm);
      const ended = runOperation(machine, operation);
      assert.ok(ended === 'ok' || (typeof ended === 'number' && ended >= 0), `${operation.name}: ${String(ended)}`);
    }
    assert.is(last.areas, 4096);
    assert.ok(machine.cpu.traceNext - last.events <= machine.cpu.memory.size.traceEntries, 'the trace is too small for one operation');
    assert.equal(machine.close(), []);
  },
  { deadlineMs: 60_000 },
);

test('an invariant that breaks in an operation ends the script and names the line', () => {
  const script = parseScript('s.txt', 'map 0 8 rw private anon\ntouch 0 r');
  const planted = {
    name: 'touch' as const,
    write: false,
    get page(): number {
      throw new InvariantError('I15', 'planted');
    },
  };
  const [first, second] = script;
  assert.ok(first !== undefined && second !== undefined);
  if (first === undefined || second === undefined) return;
  const { seen, broken } = runScript([first, { ...second, operation: planted }], POLICY);
  assert.is(seen.length, 1);
  assert.equal(broken, ['I15: planted (line 2: touch 0 r)']);
});

test('an invariant that is broken at the end is found by the sweep', () => {
  const machine = new ScriptMachine(POLICY);
  const mm = machine.enter(0);
  set_map_count(machine.cpu.memory, mm, 3);
  assert.match(machine.close()[0] ?? '', /^\w+: .+/);
});

test.run();
