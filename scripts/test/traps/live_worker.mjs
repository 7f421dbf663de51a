import { Worker } from 'node:worker_threads';
import { test } from 'uvu';

test('leaves a thread behind', () => {
  new Worker('setInterval(() => undefined, 1_000)', { eval: true });
});
test.run();
