import { test } from 'uvu';

test('passes', () => undefined);
test.run();
