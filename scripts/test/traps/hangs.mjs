import { test } from 'uvu';

test('never settles', () => new Promise(() => setInterval(() => undefined, 1_000)));
test.run();
