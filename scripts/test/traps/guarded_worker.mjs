import { Worker } from 'node:worker_threads';
import { suite } from '@faultlab/test-support';

const test = suite('guarded_worker');
test('leaves a thread behind', () => {
  new Worker('setInterval(() => undefined, 1_000)', { eval: true });
});
test.run();
