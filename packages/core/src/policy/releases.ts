/**
 * The releases of the kernel that something here depends on.
 * Next: policy/fault_policy.ts, policy/arch_entry.ts
 */

/** In order. */
export const RELEASES = ['5.4', '5.7', '6.0', '6.4', '6.6', '6.7', '6.8', '6.12', '6.13', '6.18'] as const;
export type Release = (typeof RELEASES)[number];

/** Is `release` that one or a later one? */
export const isSince = (release: Release, first: Release): boolean => RELEASES.indexOf(release) >= RELEASES.indexOf(first);
