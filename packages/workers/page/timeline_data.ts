/** What the page holds for a timeline: as written by src/html_report/timeline_data.ts, which is compiled for Node. */
export interface TimelineData {
  readonly titles: readonly string[];
  readonly endUs: number;
  readonly shown: readonly [fromUs: number, toUs: number];
  readonly slices: readonly (readonly [cpu: number, row: number, look: number, startUs: number, endUs: number, text: string])[];
  readonly wakes: readonly (readonly [from: number, to: number, wokenByUs: number, ranAtUs: number])[];
  readonly rows: number;
}
