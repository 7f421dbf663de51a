/**
 * What a thread found wrong in a schedule, as plain data.
 * Next: lockstep_order.ts
 */
import type { Access } from './races/race_detector.ts';

/** What was broken. */
export interface Finding {
  readonly schedule: number;
  /** Of an invariant; or `deadlock`, `livelock`, or `threw` for anything thrown that is no InvariantError. */
  readonly id: string;
  readonly message: string;
  /** The CPU that found it; undefined: the check after the schedule. */
  readonly cpu: number | undefined;
  readonly stack: string;
  /** Of the failure, whatever the schedule: the function that found it, or what is waited for. See site.ts. */
  readonly site: string;
  /** Steps of the schedule before it. */
  readonly step: number;
  /** What every CPU was doing, and who held and waited for what. */
  readonly state: readonly string[];
  /** Of a race: the other access. */
  readonly race?: RacePair;
}

/** The other side of a race, and where it was. */
export interface RacePair {
  readonly word: number;
  readonly other: number;
  readonly otherAccess: Access;
  /** Known once the schedule was repeated with a watch on the word. */
  readonly otherStack?: string;
}
