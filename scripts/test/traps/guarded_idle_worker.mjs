import { Worker } from 'node:worker_threads';
import { suite } from '@faultlab/test-support';

const test = suite('guarded_idle_worker');
test('leaves an idle thread behind', () => {
  new Worker('setInterval(() => undefined, 1_000)', { eval: true }).unref();
});
test.run();
