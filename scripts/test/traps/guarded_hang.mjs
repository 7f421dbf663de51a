import { suite } from '@faultlab/test-support';

const test = suite('guarded_hang');
test('never settles', () => new Promise(() => undefined), { deadlineMs: 50 });
test.run();
