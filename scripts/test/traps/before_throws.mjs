import { test } from 'uvu';

test.before(() => {
  throw new Error('before throws');
});
test('never reached', () => undefined);
test.run();
