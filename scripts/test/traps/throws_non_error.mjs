import { test } from 'uvu';

test('throws null', () => {
  throw null;
});
test.run();
