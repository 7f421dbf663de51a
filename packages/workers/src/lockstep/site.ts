/**
 * Where in the model something happened, as a name that stays the same when the schedule becomes another one: two failures are the same if they
 * broke the same rule at the same site.
 */

import { inSource } from '../source_lines.ts';

/** Functions that check or count for others, and the funnel: the site is who called them. */
const CHECKERS =
  /^(?:invariant|assert\w*|fail|step|settle|at|park\w*|unpark|waitOn|LaneRecorder|LockstepGate|nap|READ_ONCE|WRITE_ONCE|rcu_dereference|cpu_relax|atomic_\w+|load|store|add|and|or|xchg|cmpxchg|incNotZeroLimited|#\w+)$/;
const FRAME = /^\s+at (?:async )?(?:new )?(?:[\w$<>]+\.)*(#?[\w$]+) \((?:file:)?.*\/(?:bundle|dist|core|workers)\//;

/** Innermost function of the model on a stack; '' for none. */
export function siteOf(stack: string): string {
  for (const line of stack.split('\n')) {
    const [, name = ''] = FRAME.exec(line) ?? [];
    const plain = name.replace(/\$\d+$/, '');
    if (plain === '' || CHECKERS.test(plain) || inSource(line).includes('/lockstep/')) continue;
    return plain;
  }
  return '';
}

/** A message without its numbers, which differ from schedule to schedule. */
export const withoutNumbers = (message: string): string => message.replace(/0x[\da-f]+|\d+/g, 'n');
