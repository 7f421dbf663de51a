/**
 * Tortures a lock of one's own: every interleaving of a small case, many of larger ones, and threads that run freely. The lock is an adapter in a
 * module of its own, because every thread makes its functions for itself.
 *
 *   node examples/dist/08_torture_a_lock.js
 */
import { tortureLock, tortureReport, tortureVerdict } from '@faultlab/workers';

const result = await tortureLock(new URL('./three_state_mutex.js', import.meta.url), { threads: 3, seconds: 0.5, schedules: 50, seed: 1 });
console.log([...tortureReport(result), tortureVerdict(result)].join('\n'));
if (result.verdict !== 'SUCCESS') process.exitCode = 1;
