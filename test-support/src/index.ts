/**
 * The door of the package: a tester with deadlines, threads that always end, and uvu's assertions.
 * Next: suite.ts is what every test file calls first.
 */

import * as assert from 'uvu/assert';

export { asError } from './as_error.ts';
export { lruByDefault, lruGenByDefault } from './lru_switch.ts';
export type { ThreadsOptions } from './run_threads.ts';
export { runThreads } from './run_threads.ts';
export type { TestBody, Tester, TestOptions } from './suite.ts';
export { suite } from './suite.ts';
export { within } from './within.ts';
export { assert };
