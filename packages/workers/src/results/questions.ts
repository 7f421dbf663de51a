/**
 * The questions of the thread, each with an answer that is computed from the result files. An answer is yes or no only where the statistics decide
 * (compare/statistics.ts), and says so where they do not.
 * Next: published.ts, results_page.ts
 */
import { amountText } from '../report/change_tables.ts';
import { cellOf, changeWords, type Direction, directionOf, type Evidence, listed, markdownTable } from './evidence.ts';
import type { ResultName } from './result_files.ts';

export interface Answer {
  readonly question: string;
  /** Yes, no, or that it is not decided; and one or two sentences with the figures. */
  readonly answer: string;
  readonly table: readonly string[];
  /** Whose command repeats the figures. */
  readonly files: readonly (ResultName | 'branches')[];
  /** What a model cannot tell. */
  readonly cannot: string;
}

const BASE = 'linux-6.18';
const FILE = 'proposals';
export const UNDECIDED = 'Not decidable here';

/** A metric between the baseline and a proposal, scenario by scenario. */
function scenarioTable(evidence: Evidence, after: string, metrics: readonly (readonly [metric: string, title: string])[]): string[] {
  return markdownTable(
    ['scenario', ...metrics.map(([, title]) => title)],
    evidence
      .scenarios(FILE)
      .map((scenario) => [`\`${scenario}\``, ...metrics.map(([metric]) => cellOf(evidence.change(FILE, scenario, BASE, after, metric)))]),
  );
}

/** "Yes", "No" or that it is open, for a claim that a metric goes one way. */
function verdict(evidence: Evidence, after: string, metric: string, wanted: Exclude<Direction, 'undecided'>): string {
  const yes = evidence.where(FILE, BASE, after, metric, wanted);
  const no = evidence.where(FILE, BASE, after, metric, wanted === 'rises' ? 'falls' : 'rises');
  if (yes.length === 0 && no.length === 0) return UNDECIDED;
  if (no.length === 0) return 'Yes';
  return yes.length === 0 ? 'No' : 'In some scenarios';
}

function fallback(evidence: Evidence): Answer {
  const fewer = evidence.where(FILE, BASE, 'retry-vma', 'mmap_read_per_fault', 'falls');
  const faster = evidence.where(FILE, BASE, 'retry-vma', 'pages_used', 'rises');
  const slower = evidence.where(FILE, BASE, 'retry-vma', 'pages_used', 'falls');
  const waits = evidence.where(FILE, BASE, 'retry-vma', 'mmap_write_wait_mean', 'falls');
  return {
    question: 'Is the mmap_lock fallback the cost?',
    answer:
      `Of acquisitions: ${verdict(evidence, 'retry-vma', 'mmap_read_per_fault', 'falls').toLowerCase()}. With the retry under the VMA lock, acquisitions of ` +
      `mmap_lock for reading fall for a thousand faults in ${fewer.length} of ${evidence.scenarios(FILE).length} scenarios (${listed(fewer)}). ` +
      `Of throughput: ${verdict(evidence, 'retry-vma', 'pages_used', 'rises').toLowerCase()}. Pages used a second rise in ${listed(faster)} and fall in ${listed(slower)}. ` +
      `What a writer waits for mmap_lock falls in ${listed(waits)}.`,
    table: scenarioTable(evidence, 'retry-vma', [
      ['mmap_read_per_fault', 'mmap_lock read, per 1000 faults'],
      ['mmap_read_wait_mean', 'read wait, us each'],
      ['mmap_write_wait_mean', 'write wait, us each'],
      ['pages_used', 'pages used/s'],
    ]),
    files: [FILE],
    cannot:
      "How much of the time of a program goes into faults is the program's; a scenario does little else. Threads of a host with more cores would queue longer for the lock.",
  };
}

const CALLS = ['mmap', 'munmap', 'mprotect', 'madvise', 'fork_and_exit'] as const;

function holding(evidence: Evidence): Answer {
  const behind = evidence.where(FILE, BASE, 'hold', 'writer_behind_io_share', 'rises');
  const calls = CALLS.flatMap((call) => {
    const slower = evidence.where(FILE, BASE, 'hold', `${call}_p99`, 'rises');
    return slower.length === 0 ? [] : [`${call} (${slower.join(', ')})`];
  });
  const never = evidence.scenarios(FILE).filter((scenario) => evidence.mean(FILE, scenario, 'hold', 'writer_behind_io_share') === 0);
  return {
    question: 'Does holding hurt writers, and which?',
    answer:
      `${verdict(evidence, 'hold', 'writer_behind_io_share', 'rises')}. With the lock held over I/O, writers that wait behind a fault that sleeps for its device rise in ` +
      `${listed(behind)}; in ${listed(never)} no writer waited so. Calls whose slowest hundredth became slower: ${calls.length === 0 ? 'none is decidable' : calls.join(', ')}.`,
    table: [
      ...scenarioTable(evidence, 'hold', [
        ['writer_behind_io_share', 'writers behind I/O, per 1000 mmap_lock writes'],
        ['writer_behind_io_time', 'their time, ms/s'],
        ['writer_behind_io_max', 'the longest, us'],
        ['mmap_read_behind_io_time', 'later faults behind I/O, ms/s'],
      ]),
      ...scenarioTable(
        evidence,
        'hold',
        CALLS.map((call) => [`${call}_p99`, `${call.replaceAll('_', ' ')}, p99 us`]),
      ),
    ],
    files: [FILE],
    cannot:
      'How long a device takes is set by the scenario (lognormal around 80 us, and a tail of 2 ms); waits scale with it. How often a real program changes areas while others fault is not in it.',
  };
}

/** Below this share of gone pages thrash counts as cured. */
const CURED_PERCENT = 5;

function thrash(evidence: Evidence): Answer {
  const scenario = 'refault_thrash';
  const proposals = ['retry-vma', 'hold', 'hold-file', 'reacquire'];
  const change = (after: string, metric: string) => evidence.change(FILE, scenario, BASE, after, metric);
  const gone = change('retry-vma', 'gone_share');
  const left = evidence.mean(FILE, scenario, 'retry-vma', 'gone_share');
  const falls = directionOf(gone);
  const word = falls === 'undecided' ? UNDECIDED : falls === 'falls' && left !== null && left < CURED_PERCENT ? 'Yes' : 'No';
  const used = change('retry-vma', 'pages_used');
  return {
    question: 'Does retrying under the VMA lock cure the thrash?',
    answer:
      `${word}. The share of dropped locks whose retry found its page gone changes by ${changeWords(gone)}; ${left === null ? 'nothing was dropped' : `${amountText(left)} % are left`} ` +
      `(cured is below ${CURED_PERCENT} %). Pages used a second change by ${changeWords(used)}` +
      `${directionOf(used) === 'undecided' ? ', which is not decided' : ''}.`,
    table: markdownTable(
      ['linux-6.18 ->', 'gone, % of drops', 'pages read per page used', 'pages used/s', 'refaults/s'],
      proposals.map((after) => [
        `\`${after}\``,
        ...['gone_share', 'reads_per_page_used', 'pages_used', 'refaults'].map((metric) => cellOf(change(after, metric))),
      ]),
    ),
    files: [FILE],
    cannot:
      'A retry counts as gone only after an attempt that set TRIED, which under `retry-vma` is so for whoever started the read alone; part of the fall is in what is counted, so read it with the pages read per page used. ' +
      'The memory is a few dozen pages; with another reclaim or another ratio of working set to limit the share is another.',
  };
}

function oneArea(evidence: Evidence): Answer {
  const [one, many] = ['split_one_large', 'split_many_small'];
  const metrics = ['writer_behind_io_share', 'writer_behind_io_time', 'writer_behind_io_max', 'vma_write_wait_mean', 'pages_used'];
  const change = evidence.between(FILE, 'hold', many, one, 'writer_behind_io_time');
  const word = { rises: 'It makes writers wait', falls: 'It does not make writers wait more', undecided: UNDECIDED }[directionOf(change)];
  return {
    question: 'What does one large area do?',
    answer:
      `${word}. Under \`hold\`, the time that writers wait behind faults that sleep for the device changes by ${changeWords(change)} when 32 small areas become one of the same size. ` +
      `Under \`linux-6.18\` it changes by ${changeWords(evidence.between(FILE, BASE, many, one, 'writer_behind_io_time'))}.`,
    table: ['linux-6.18', 'retry-vma', 'hold', 'reacquire'].flatMap((policy, place) =>
      markdownTable(
        [
          '32 small areas -> one',
          'writers behind I/O, per 1000 writes',
          'their time, ms/s',
          'the longest, us',
          'wait for an area, us each',
          'pages used/s',
        ],
        [[`\`${policy}\``, ...metrics.map((metric) => cellOf(evidence.between(FILE, policy, many, one, metric)))]],
      ).slice(place === 0 ? 0 : 2, -1),
    ),
    files: [FILE],
    cannot: 'Areas of a real program differ in size and in who uses them; here one CPU in four cuts, at random.',
  };
}

function fork(evidence: Evidence): Answer {
  const scenario = 'fork_io';
  const change = (after: string, metric: string) => evidence.change(FILE, scenario, BASE, after, metric);
  const stall = change('hold', 'fork_stall_mean');
  const behind = change('hold', 'writer_behind_io_time');
  const word = { rises: 'Holding stalls it', falls: 'Holding does not stall it', undecided: UNDECIDED }[directionOf(behind)];
  return {
    question: 'And fork?',
    answer: `${word}. Under \`hold\` the time that writers, most of them forks, wait behind faults that sleep for a device changes by ${changeWords(behind)}; what a fork waits for its locks changes by ${changeWords(stall)}.`,
    table: markdownTable(
      ['linux-6.18 ->', 'stall of a fork, us', 'the longest, us', 'fork and exit, p99 us', 'writers behind I/O, ms/s', 'forks/s'],
      ['retry-vma', 'hold', 'hold-file', 'reacquire'].map((after) => [
        `\`${after}\``,
        ...['fork_stall_mean', 'fork_stall_max', 'fork_and_exit_p99', 'writer_behind_io_time', 'forks'].map((metric) =>
          cellOf(change(after, metric)),
        ),
      ]),
    ),
    files: [FILE],
    cannot:
      'The two stalls that were posted (440 and 515 ms) are as long as the I/O of that phone took; the tail of the device here is 2 ms, apart from its queue. How often programs fork is not in it.',
  };
}

function uptodate(evidence: Evidence): Answer {
  const file: ResultName = 'uptodate';
  const after = 'retry-vma-uptodate';
  const faster = evidence.where(file, 'retry-vma', after, 'pages_used', 'rises');
  const slower = evidence.where(file, 'retry-vma', after, 'pages_used', 'falls');
  const fewer = evidence.where(file, 'retry-vma', after, 'faults_retried_share', 'falls');
  const word =
    faster.length === 0 && slower.length === 0 ? UNDECIDED : slower.length === 0 ? 'Yes' : faster.length === 0 ? 'No' : 'In some scenarios';
  return {
    question: 'Is the uptodate rule worth it?',
    answer: `${word}. Against \`retry-vma\`, pages used a second rise in ${listed(faster)} and fall in ${listed(slower)}; retries for a thousand faults fall in ${listed(fewer)}.`,
    table: markdownTable(
      ['scenario', 'retry-vma ->', 'pages used/s', 'retries per 1000 faults', 'drops/s', 'writers behind I/O, ms/s'],
      evidence
        .scenarios(file)
        .flatMap((scenario) =>
          [after, 'retry-vma-uptodate-writeback'].map((policy) => [
            `\`${scenario}\``,
            `\`${policy}\``,
            ...['pages_used', 'faults_retried_share', 'drops', 'writer_behind_io_time'].map((metric) =>
              cellOf(evidence.change(file, scenario, 'retry-vma', policy, metric)),
            ),
          ]),
        ),
    ),
    files: [file],
    cannot: 'The rule saves an attempt, which costs a few microseconds; whether that shows depends on how much else a fault does.',
  };
}

function complexity(evidence: Evidence): Answer {
  const base = evidence.branches(BASE);
  const proposals = ['retry-vma', 'hold', 'hold-file', 'reacquire'];
  const extra = (policy: string): number => (evidence.branches(policy)?.outcomes.length ?? 0) - (base?.outcomes.length ?? 0);
  const pays = proposals.filter((policy) => extra(policy) > 0 && evidence.where(FILE, BASE, policy, 'pages_used', 'rises').length > 0);
  const costs = proposals.filter((policy) => extra(policy) > 0);
  const word = costs.length === 0 ? 'None is more complex' : pays.length === 0 ? UNDECIDED : 'In part';
  return {
    question: 'Does the extra complexity of each policy pay, counted in branches?',
    answer:
      `${word}. More outcomes of branches than \`${BASE}\` have ${costs.length === 0 ? 'none' : costs.map((policy) => `\`${policy}\` (+${extra(policy)})`).join(', ')}; of these, pages used a second rise in at least one scenario under ${listed(pays)}. ` +
      `\`hold\` has ${extra('hold') > 0 ? '+' : ''}${extra('hold')}.`,
    table: markdownTable(
      [
        'policy',
        'decisions met',
        'outcomes',
        'not in linux-6.18',
        'only in linux-6.18',
        'attempts',
        'mmap_lock',
        'drops',
        'more pages used in',
        'fewer in',
      ],
      evidence.set.branches
        .filter(({ policy }) => policy === BASE || !policy.startsWith('linux-'))
        .map(({ policy, decisions, outcomes, attempts, mmapAcquisitions, drops }) => {
          const there = new Set(base?.outcomes);
          const measured = proposals.includes(policy);
          return [
            `\`${policy}\``,
            String(decisions),
            String(outcomes.length),
            String(outcomes.filter((outcome) => !there.has(outcome)).length),
            String([...there].filter((outcome) => !outcomes.includes(outcome)).length),
            String(attempts),
            String(mmapAcquisitions),
            String(drops),
            measured ? listed(evidence.where(FILE, BASE, policy, 'pages_used', 'rises')) : '',
            measured ? listed(evidence.where(FILE, BASE, policy, 'pages_used', 'falls')) : '',
          ];
        }),
    ),
    files: ['branches', FILE],
    cannot:
      "Counted are the outcomes of the decisions in this model's fault path (`packages/core/src/fault`) that happen when one fault of every kind is taken, alone; a model that has all policies has decisions that a kernel with one would not. " +
      'What a branch costs to understand is not counted.',
  };
}

export const answersOf = (evidence: Evidence): Answer[] =>
  [fallback, holding, thrash, oneArea, fork, uptodate, complexity].map((answer) => answer(evidence));
