/**
 * A device that fails a share of its writes, a thread that writes back, and several programs that sync: none of them believes in a write that was lost,
 * whoever else was told of the error first.
 */
import { nr_file_dirty, nr_writeback } from '@faultlab/core/mm/vmstat';
import { assert, suite } from '@faultlab/test-support';
import { bootMachine } from '@faultlab/workers/machine';
import type { DurableData, DurableResult } from './durable.work.ts';

const test = suite('write errors');
const work = new URL('./durable.work.js', import.meta.url);
const [CPUS, PAGES, ROUNDS] = [3, 24, 40];

test(
  'who is told of no error finds on the device what he wrote',
  async () => {
    await using machine = await bootMachine({
      cpus: CPUS,
      devices: [{ latency: 'fixed:20us', errorRate: 0.1 }],
      background: ['writeback'],
      sysctl: { dirtyBackground: 3, dirtyThresh: 12 },
    });
    const run = async (data: DurableData, cpus: readonly number[]): Promise<DurableResult[]> => {
      const { reports } = await machine.run<DurableData, DurableResult>({ work, data: () => data, cpus });
      return reports.map((report) => {
        assert.is(report.end, 'finished', JSON.stringify(report));
        return (report as { readonly result: DurableResult }).result;
      });
    };
    const [made] = await run({ step: 'create', pages: PAGES }, [0]);
    const file = made?.file ?? 0;
    const results = await run({ step: 'write', file, pages: PAGES, cpus: CPUS, rounds: ROUNDS }, [0, 1, 2]);
    for (const { errors, good, lost } of results) {
      assert.is(lost, 0, 'a write was lost, and nobody told');
      assert.ok(errors > 0 && good > 0, `${errors} syncs told of an error, ${good} of none`);
      assert.is(errors + good, ROUNDS);
    }
    await run({ step: 'close', file }, [0]);
    assert.equal([nr_file_dirty(machine.memory), nr_writeback(machine.memory)], [0, 0]);
  },
  { deadlineMs: 100_000 },
);

test.run();
