import { assert, suite } from '@faultlab/test-support';

const test = suite('guarded_bigint');
test('compares what uvu cannot draw', () => assert.equal({ word: 1n }, { word: 2n }));
test.run();
