/** C14: how much code a policy is. */
import { policyByName } from '@faultlab/core/policy/policies';
import { measureKinds } from '../fault_kinds/measure.ts';
import { type Claim, judgeAll, said } from './claim.ts';
import { POLICY_CODE, type PolicyCode } from './policy_code.ts';

const NAMES = ['linux-6.18', 'retry-vma', 'retry-vma-uptodate', 'split-flags', 'hold-file', 'reacquire'] as const;

const codeOf = (name: string): PolicyCode => {
  const found = POLICY_CODE.find(({ policy }) => policy === name);
  if (found === undefined) throw new Error(`c14: policy_code.ts has no ${name}; run node scripts/policy_code.mjs.`);
  return found;
};

/** Attempts beyond the first, of one fault of each kind. */
const retriesOf = (name: string): number =>
  measureKinds(policyByName(name)).reduce((sum, { vmaAttempts, mmapAttempts }) => sum + vmaAttempts + mmapAttempts - 1, 0);

/** The least of the others, for each count. */
const least = (key: 'lines' | 'branches'): number => Math.min(...NAMES.map((name) => codeOf(name)[key]));

type Key =
  | 'linesMainline'
  | 'linesHold'
  | 'linesRetryVma'
  | 'linesReacquire'
  | 'linesLeast'
  | 'branchesMainline'
  | 'branchesHold'
  | 'branchesRetryVma'
  | 'branchesReacquire'
  | 'branchesLeast'
  | 'retriesMainline'
  | 'retriesHold'
  | 'retriesRetryVma'
  | 'retriesReacquire'
  | 'retriesLeast';

export const C14: Claim<Key> = {
  id: 'C14',
  title: 'Not dropping locks over I/O is the simplest policy',
  claim: 'To take the dropping of locks out of the fault path needs 27 new lines and removes 119; every other proposal adds to it.',
  source: 'Matthew Wilcox, 27 November 2025 (sketch); 30 April 2026',
  setup:
    'What is left of the fault path when the fields of a policy are known: lines and branches of the compiled modules that can be reached from the entry of a user fault (scripts/policy_code.mjs). And one fault of each kind under each policy: attempts beyond the first. Hold against linux-6.18, retry-vma, retry-vma-uptodate, split-flags, hold-file and reacquire.',
  expected:
    'Hold has the fewest lines, branches and retries of all, and fewer than linux-6.18; retry-vma and reacquire have more lines than linux-6.18.',
  cannotTell:
    'What a patch to a kernel is: the model has its checks in the same functions, and other callers than user faults. The order of the policies follows from which steps each of them has; the numbers are those of this model.',
  decidedBy: 'counts',
  figures: {
    linesMainline: { name: 'lines, linux-6.18', unit: 'lines' },
    linesHold: { name: 'lines, hold', unit: 'lines' },
    linesRetryVma: { name: 'lines, retry-vma', unit: 'lines' },
    linesReacquire: { name: 'lines, reacquire', unit: 'lines' },
    linesLeast: { name: 'lines, least of all but hold', unit: 'lines' },
    branchesMainline: { name: 'branches, linux-6.18', unit: 'branches' },
    branchesHold: { name: 'branches, hold', unit: 'branches' },
    branchesRetryVma: { name: 'branches, retry-vma', unit: 'branches' },
    branchesReacquire: { name: 'branches, reacquire', unit: 'branches' },
    branchesLeast: { name: 'branches, least of all but hold', unit: 'branches' },
    retriesMainline: { name: 'retries in one fault of each kind, linux-6.18', unit: 'retries' },
    retriesHold: { name: 'retries in one fault of each kind, hold', unit: 'retries' },
    retriesRetryVma: { name: 'retries in one fault of each kind, retry-vma', unit: 'retries' },
    retriesReacquire: { name: 'retries in one fault of each kind, reacquire', unit: 'retries' },
    retriesLeast: { name: 'retries in one fault of each kind, least of all but hold', unit: 'retries' },
  },
  async measure() {
    const retries = new Map(NAMES.map((name) => [name, retriesOf(name)]));
    return {
      linesMainline: codeOf('linux-6.18').lines,
      linesHold: codeOf('hold').lines,
      linesRetryVma: codeOf('retry-vma').lines,
      linesReacquire: codeOf('reacquire').lines,
      linesLeast: least('lines'),
      branchesMainline: codeOf('linux-6.18').branches,
      branchesHold: codeOf('hold').branches,
      branchesRetryVma: codeOf('retry-vma').branches,
      branchesReacquire: codeOf('reacquire').branches,
      branchesLeast: least('branches'),
      retriesMainline: retries.get('linux-6.18') as number,
      retriesHold: retriesOf('hold'),
      retriesRetryVma: retries.get('retry-vma') as number,
      retriesReacquire: retries.get('reacquire') as number,
      retriesLeast: Math.min(...retries.values()),
    };
  },
  judge: (figures) =>
    judgeAll([
      {
        what: `hold has ${said(figures.linesHold)} lines, the next one ${said(figures.linesLeast)}, linux-6.18 ${said(figures.linesMainline)}`,
        met: figures.linesHold < figures.linesLeast,
      },
      {
        what: `${said(figures.branchesHold)} branches, the next one ${said(figures.branchesLeast)}, linux-6.18 ${said(figures.branchesMainline)}`,
        met: figures.branchesHold < figures.branchesLeast,
      },
      {
        what: `${said(figures.retriesHold)} retries in one fault of each kind, the next one ${said(figures.retriesLeast)}, linux-6.18 ${said(figures.retriesMainline)}`,
        met: figures.retriesHold < figures.retriesLeast,
      },
      {
        what: `retry-vma has ${said(figures.linesRetryVma)} lines and reacquire ${said(figures.linesReacquire)}`,
        met: figures.linesRetryVma > figures.linesMainline && figures.linesReacquire > figures.linesMainline,
      },
    ]),
};
