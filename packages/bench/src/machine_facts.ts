/** The machine that the numbers belong to. Numbers of different facts are not compared. */
import { availableParallelism, cpus, loadavg, release, type } from 'node:os';

export interface MachineFacts {
  readonly cpu: string;
  readonly cores: number;
  readonly node: string;
  readonly v8: string;
  readonly system: string;
  /** One-minute load when the run began. */
  readonly load: number;
}

export function machineFacts(): MachineFacts {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    node: process.version,
    v8: process.versions.v8,
    system: `${type()} ${release()}`,
    load: Math.round((loadavg()[0] ?? 0) * 100) / 100,
  };
}

export function factsLine(facts: MachineFacts): string {
  return `${facts.cpu}, ${facts.cores} cores, Node ${facts.node} (V8 ${facts.v8}), ${facts.system}, load ${facts.load}`;
}
