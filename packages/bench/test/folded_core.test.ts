/** What is taken out of a copied core is what was meant, and all else stays. */
import { withoutAssertions } from '@faultlab/bench/macro/folded_core';
import { assert, suite } from '@faultlab/test-support';

const test = suite('folded core');

const SHIPPED = `function assert(fact, message) {
    if (!fact)
        throw new InvariantError('assert', message);
}
function put(cpu, at) {
    assert(at > 0 && (at < 9), 'put: "at" is (not) a place :)');
    if (cpu.verify)
        invariant(cpu.held(at), 'I01', 'it\\'s not held');
    assert(
        at !== 3,
        \`three (\`,
    );
    const found = assert(at);
    return found;
}
`;

const FOLDED = `function assert(fact, message) {
    if (!fact)
        throw new InvariantError('assert', message);
}
function put(cpu, at) {
    ;
    if (cpu.verify)
        ;
    ;
    const found = assert(at);
    return found;
}
`;

test('assertions that stand alone go, with whatever brackets and quotes are in them', () => {
  assert.equal(withoutAssertions(SHIPPED), { text: FOLDED, folded: 3 });
});

test.run();
