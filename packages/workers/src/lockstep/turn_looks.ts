/**
 * Looks at one's turn before the thread sleeps: a turn that comes back soon costs no wake-up. Threads with a core each look for longer, some
 * microseconds; those that share cores would take with their looks what the one with the turn needs.
 * Next: gate.ts
 */
export const turnLooks = (cpus: number, cores: number): number => (cpus <= cores ? 4096 : 256);
