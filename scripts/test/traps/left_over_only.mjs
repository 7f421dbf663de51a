import { test } from 'uvu';

test('is passed over', () => {
  throw new Error('this test fails when it runs');
});
test.only('runs alone', () => undefined);
test.run();
