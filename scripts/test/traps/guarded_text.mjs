import { suite } from '@faultlab/test-support';

const test = suite('guarded_text');
test('throws a text', () => {
  throw 'only a text';
});
test.run();
