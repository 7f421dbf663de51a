/**
 * What is printed about a torture: lines in the manner of locktorture, what lock-step covered, what was found, and the verdict.
 */
import type { TortureFinding } from './free_torture.ts';
import type { SearchResult } from './lockstep_torture.ts';
import type { AcquisitionCounts, FreeTortureResult, TortureResult } from './torture_lock.ts';

/** All lines but the last one, which is tortureVerdict(). */
export function tortureReport(result: TortureResult): string[] {
  const { name, kind, threads, seed, takesTurns, free, lockstep, verdict, findings } = result;
  const tag = `${name}-torture:`;
  const lines = [`${tag}--- Start of test: kind=${kind} threads=${threads} seed=${seed} overtakings=${result.overtakings}`];
  if (kind !== 'unknown' && !takesTurns) {
    lines.push(
      `${tag} lock-step: none; the lock does not use the Atomics object that it is given, so it was tortured by threads that run freely, only`,
    );
  }
  lines.push(...lockstep.map((search) => `${tag} lock-step: ${searchText(search)}`));
  for (const run of free) lines.push(...freeLines(tag, run, kind === 'exclusive'));
  for (const finding of findings) lines.push(...findingLines(tag, finding));
  lines.push(`${tag}--- End of test: ${verdict}`);
  return lines;
}

/** The last line of the command. */
export function tortureVerdict({ name, kind, threads, seed, verdict, free, lockstep, findings }: TortureResult): string {
  const acquisitions = free.reduce((sum, { reads, writes }) => sum + reads.total + writes.total, 0);
  const schedules = lockstep.reduce((sum, one) => sum + one.schedules, 0);
  const found = findings.length === 0 ? '' : `, found: ${[...new Set(findings.map(({ fault }) => fault))].join(', ')}`;
  return `torture: ${verdict} lock="${name}" kind=${kind} threads=${threads} seed=${seed}, ${acquisitions} acquisitions, ${schedules} schedules${found}`;
}

function searchText({ strategy, pattern, threads, schedules, steps, exhausted, overtaken, finding }: SearchResult): string {
  const all = exhausted ? ', all that there are with at most 2 preemptions' : '';
  const writers = pattern === 'overlap' ? `, writer overtaken at most ${overtaken} times` : '';
  const failed = finding === undefined ? '' : `, schedule ${finding.schedule} fails`;
  return `${strategy}, ${pattern}, ${threads} threads: ${schedules} schedules, ${steps} operations${all}${writers}${failed}`;
}

function freeLines(tag: string, run: FreeTortureResult, exclusive: boolean): string[] {
  const { pattern, writers, readers, ms, cpus, finding, missedTries, overtaken, longestWaitMs } = run;
  const fail = finding === undefined ? 0 : 1;
  const head = `${tag} free, ${pattern}: nwriters_stress=${writers} nreaders_stress=${readers} ${Math.round(ms)} ms on ${cpus.toFixed(2)} CPUs`;
  const tries = missedTries === 0 ? '' : `, ${missedTries} tries came too late`;
  const wait = pattern === 'overlap' ? `, writer overtaken at most ${overtaken} times, waited at most ${longestWaitMs.toFixed(1)} ms` : '';
  return [
    `${head}${tries}${wait}`,
    countLine(tag, 'Writes: ', run.writes, fail),
    ...(exclusive ? [] : [countLine(tag, 'Reads : ', run.reads, fail)]),
  ];
}

const CHOICES_SHOWN = 80;
const shortened = (choices: string): string => (choices.length > CHOICES_SHOWN ? `${choices.slice(0, CHOICES_SHOWN)}...` : choices);

/** As the kernel prints it; the question marks say that some thread got more than twice what another got. */
function countLine(tag: string, what: string, { total, max, min }: AcquisitionCounts, fail: number): string {
  const unfair = max > 2 * min ? '???' : '';
  return `${tag} ${what} Total: ${total}  Max/Min: ${max}/${min} ${unfair}  Fail: ${fail} ${fail === 0 ? '' : '!!!'}`.trimEnd();
}

function findingLines(tag: string, finding: TortureFinding | NonNullable<SearchResult['finding']>): string[] {
  const again =
    'choices' in finding
      ? [
          `  schedule ${finding.schedule}, hash ${finding.hash.toString(16)}, choices ${shortened(finding.choices)}; the same options give it again`,
        ]
      : [];
  return [`${tag} !!! ${finding.fault}: ${finding.message}`, ...finding.lines, ...again];
}
