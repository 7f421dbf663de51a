/**
 * Both stacks of a race. When it is found only the second access is there to be asked where it is; so the schedule is played once more, with
 * a watch on the word.
 * Next: ../laid_out.ts
 */
import type { Finding } from '../finding.ts';
import type { Failure, LockstepResult } from '../run_lockstep.ts';

/** The word of the first race among the findings, if there is one. */
export const racyWord = ({ findings }: Failure): number | undefined => findings.find(({ race }) => race !== undefined)?.race?.word;

/** @param again the result of the same schedule, with a watch on the word */
export function withBothStacks(failure: Failure, word: number, again: LockstepResult): Failure {
  if (again.failures[0]?.hash !== failure.hash) return failure;
  const findings = failure.findings.map((finding): Finding => {
    const { race, step } = finding;
    if (race === undefined || race.word !== word) return finding;
    const other = again.watched.filter((one) => one.cpu === race.other && one.access === race.otherAccess && one.step <= step).at(-1);
    return other === undefined ? finding : { ...finding, race: { ...race, otherStack: other.stack } };
  });
  return { ...failure, findings };
}
