/**
 * The machine that a result was measured on, so that nobody compares numbers of different ones by accident.
 */
import { availableParallelism, cpus, loadavg } from 'node:os';

export interface Environment {
  readonly node: string;
  readonly v8: string;
  readonly platform: string;
  readonly cpuModel: string;
  readonly cores: number;
  /** One-minute load when the run began. */
  readonly load: number;
}

export function environment(): Environment {
  return {
    node: process.version,
    v8: process.versions.v8,
    platform: `${process.platform} ${process.arch}`,
    cpuModel: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    load: loadavg()[0] ?? 0,
  };
}

/** Starts to watch the host. @returns what tells how many cores other programs have used since, 0 where the system does not say */
export function othersWatch(): () => number {
  const busyMs = (): number => cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0);
  const before = { busyMs: busyMs(), own: process.cpuUsage(), atMs: performance.now() };
  return () => {
    const own = process.cpuUsage(before.own);
    const passedMs = Math.max(1, performance.now() - before.atMs);
    return Math.max(0, (busyMs() - before.busyMs - (own.user + own.system) / 1000) / passedMs);
  };
}
