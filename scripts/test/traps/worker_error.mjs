import { Worker } from 'node:worker_threads';
import { test } from 'uvu';

test('nobody listens to the thread that fails', async () => {
  const worker = new Worker('throw new Error("thrown in a thread")', { eval: true });
  await new Promise((resolve) => worker.once('exit', resolve));
});
test.run();
