import { test } from 'uvu';

test('passes', () => console.log(`FAULTLAB_LRU is ${process.env.FAULTLAB_LRU}`));
test.run();
