/** A test that breaks one rule of a running machine and sees it caught. */
import { InvariantError } from '@faultlab/core/base/errors';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { assert, type suite } from '@faultlab/test-support';
import { type World, world } from './world.ts';

export type Breaks = (id: string, what: string, message: RegExp, act: (machine: World) => void, policy?: FaultPolicy) => void;

/** On a sound machine the act ends with an InvariantError of that id and message. */
export const breaksIn =
  (test: ReturnType<typeof suite>): Breaks =>
  (id, what, message, act, policy) =>
    test(`${id}: ${what}`, () => {
      const machine = world(policy);
      try {
        act(machine);
      } catch (thrown) {
        if (!(thrown instanceof InvariantError)) throw thrown;
        assert.is(thrown.id, id, thrown.message);
        assert.match(thrown.message, message);
        return;
      }
      throw new Error(`nobody noticed the break of ${id}`);
    });
