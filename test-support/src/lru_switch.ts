/**
 * The switch of reclaim by age in tests: FAULTLAB_LRU=1 runs the machines of the fixtures with it on, FAULTLAB_LRU=gen with generations. A test that needs one of the
 * positions says so itself.
 * Next: suite.ts
 */

const POSITIONS = ['0', '1', 'gen'];
const wanted = process.env['FAULTLAB_LRU'] ?? '0';
if (!POSITIONS.includes(wanted)) throw new Error(`FAULTLAB_LRU is '${wanted}'; give 0, 1 or gen.`);

/** Whether this process tests with reclaim by age: 1 or 0, as `sysctl.lru`. */
export const lruByDefault: 0 | 1 = wanted === '0' ? 0 : 1;
/** How the pages are kept then, as `sysctl.lruGen`. */
export const lruGenByDefault: 0 | 3 = wanted === 'gen' ? 3 : 0;
