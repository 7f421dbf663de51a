import { test } from 'uvu';

test.after.each(() => {
  throw new Error('after.each throws');
});
test('passes until its hook', () => undefined);
test.run();
