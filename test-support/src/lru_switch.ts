/**
 * The switch of reclaim by age in tests: FAULTLAB_LRU=1 runs the machines of the fixtures with it on. A test that needs one of the two positions says so itself.
 * Next: suite.ts
 */

const wanted = process.env['FAULTLAB_LRU'] ?? '0';
if (wanted !== '0' && wanted !== '1') throw new Error(`FAULTLAB_LRU is '${wanted}'; give 0 or 1.`);

/** Whether this process tests with reclaim by age: 1 or 0, as `sysctl.lru`. */
export const lruByDefault: 0 | 1 = wanted === '1' ? 1 : 0;
