import { test } from 'uvu';

test('never starts', () => {
  throw new Error('this test never starts');
});
