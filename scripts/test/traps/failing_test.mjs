import { test } from 'uvu';
import * as assert from 'uvu/assert';

test('fails as it should', () => assert.is(1, 2));
test('passes', () => undefined);
test.run();
