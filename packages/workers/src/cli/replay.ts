/**
 * `faultlab replay`: recorded programs on the model.
 * Next: ../replay/replay_trace.ts
 */
import { UsageError } from '@faultlab/core/base/errors';
import type { LatencyModel } from '@faultlab/core/io/latency_model';
import { Option } from 'commander';
import { readLatency } from '../device/device_options.ts';
import type { Injection } from '../inject/injections.ts';
import { parseInject } from '../inject/parse_inject.ts';
import { loadPolicy } from '../policy/load_policy.ts';
import type { Speed } from '../replay/replay_program.ts';
import { replayReport } from '../replay/replay_report.ts';
import type { ReplayResult, ReplayVerdict } from '../replay/replay_result.ts';
import { COLD_IO, replayTrace, SHOW_DEFAULT } from '../replay/replay_trace.ts';
import { grouped } from '../report/numbers.ts';
import {
  type CliCommand,
  type CliContext,
  EXIT_BAD,
  EXIT_GOOD,
  EXIT_INTERRUPTED,
  EXIT_STALL,
  INJECT_HELP,
  integer,
  POLICY_HELP,
  SEED_MAX,
  STALL_HELP,
  stallMs,
  type TextSink,
  userPath,
} from './command.ts';
import { onInterrupt } from './interrupt.ts';
import { checkWritable, writeJson } from './write_json.ts';

interface ReplayFlags {
  readonly policy: string;
  readonly speed: Speed;
  readonly cold: boolean;
  readonly io: LatencyModel | undefined;
  readonly show: number;
  readonly verify: boolean;
  readonly inject: readonly Injection[] | undefined;
  readonly seed: number | undefined;
  readonly stallMs: number | undefined;
  readonly json: string | undefined;
}

const EXIT_CODES: Readonly<Record<ReplayVerdict, number>> = {
  agrees: EXIT_GOOD,
  differs: EXIT_BAD,
  violation: EXIT_BAD,
  death: EXIT_BAD,
  stall: EXIT_STALL,
  interrupted: EXIT_INTERRUPTED,
};
const SHOW_MAX = 100_000;
const STANDARD_INPUT = '-';

export const replayCommand: CliCommand = (program, context) => {
  program
    .command('replay')
    .summary('replay the page faults and memory system calls of a recorded program')
    .description(
      'Reads the text of perf script (plain or gzipped; - is standard input), gives every thread of the trace a CPU and every process an ' +
        'address space, and does what the program did. Every area that the kernel reported and every fault that it served is compared.',
    )
    .argument('<file...>', 'traces, one after the other')
    .option('--policy <name>', POLICY_HELP, 'linux-6.18')
    .addOption(
      new Option('--speed <speed>', 'as fast as the order allows, or no earlier than recorded').choices(['max', 'recorded']).default('max'),
    )
    .option('--cold', 'read files from a block device, with nothing of them in memory at the start', false)
    .option(
      '--io <model>',
      `how long the block device takes: zero, fixed:100us, uniform:50us-2ms, lognormal:200us,sigma=0.8,tail=1%:20ms or list:FILE ` +
        `(default with --cold: ${COLD_IO}; without it, all pages of files are in memory at the start, and only write-back uses the device)`,
      latencyModel,
    )
    .option('--show <n>', 'differences to print', integer('--show', 0, SHOW_MAX), SHOW_DEFAULT)
    .option('--verify', 'check more, at a lower speed', false)
    .option('--inject <spec>', INJECT_HELP, parseInject)
    .option('--seed <n>', 'what injections are drawn from (default: 1)', integer('--seed', 0, SEED_MAX))
    .option('--stall-ms <n>', STALL_HELP, stallMs)
    .option('--json <file>', 'write the result as JSON, too (for several traces: a list)')
    .addHelpText('after', EXAMPLES)
    .action((files: string[], flags: ReplayFlags) => replay(files, flags, context));
};

const EXAMPLES = `
To record a program on Linux:
  perf record -d -c 1 -e exceptions:page_fault_user \\
    $(for s in mmap munmap mprotect mremap madvise brk; do echo -e syscalls:sys_enter_$s -e syscalls:sys_exit_$s; done) -- PROGRAM
  perf script --show-mmap-events --show-task-events --ns -F comm,pid,tid,cpu,time,event,trace > trace.txt

Exit codes: 0 everything as recorded, 1 something was not, 2 misuse or a bad trace, 3 no progress, 130 interrupted.`;

/** The model that a text stands for; a list is looked for where the user is. */
function latencyModel(text: string): LatencyModel {
  return readLatency(text.startsWith(LIST) && text.length > LIST.length ? `${LIST}${userPath(text.slice(LIST.length))}` : text);
}
const LIST = 'list:';

async function replay(files: readonly string[], flags: ReplayFlags, context: CliContext): Promise<void> {
  const policy = await loadPolicy(flags.policy, userPath);
  if (files.filter((file) => file === STANDARD_INPUT).length > 1) {
    throw new UsageError('Standard input (-) is named twice, but it can be read only once; name it once.');
  }
  if (flags.json !== undefined) await checkWritable(userPath(flags.json));
  const interrupt = new AbortController();
  const release = onInterrupt(interrupt);
  const results: ReplayResult[] = [];
  try {
    for (const file of files) {
      if (interrupt.signal.aborted) break;
      const path = file === STANDARD_INPUT ? file : userPath(file);
      const name = file === STANDARD_INPUT ? 'standard input' : file;
      const { speed, show, verify, cold, io, inject, seed, stallMs: stall } = flags;
      const progress = progressLine(context.errors, name);
      const result = await replayTrace(path, {
        name,
        policy,
        speed,
        show,
        verify,
        cold,
        ...(io === undefined ? {} : { io }),
        ...(inject === undefined ? {} : { inject }),
        ...(seed === undefined ? {} : { seed }),
        ...(stall === undefined ? {} : { stallMs: stall }),
        signal: interrupt.signal,
        onProgress: progress.show,
      });
      progress.clear();
      results.push(result);
      context.out.write(`${replayReport(result).join('\n')}\n`);
    }
  } finally {
    release();
  }
  context.exit(Math.max(...results.map(({ verdict }) => EXIT_CODES[verdict]), interrupt.signal.aborted ? EXIT_INTERRUPTED : EXIT_GOOD));
  if (flags.json !== undefined) await writeJson(userPath(flags.json), results.length === 1 ? results[0] : results);
}

const LINE_EVERY = 5;

/** One redrawn line on a terminal, a line every few seconds elsewhere. */
function progressLine(stream: TextSink, name: string): { show(done: number, total: number): void; clear(): void } {
  let calls = 0;
  const erase = '\r\x1b[K';
  return {
    show: (done, total) => {
      const text = `replay: ${name}: ${grouped(done)} of ${grouped(total)} operations`;
      if (stream.isTTY === true) stream.write(`${erase}${text}`);
      else if (++calls % LINE_EVERY === 0) stream.write(`${text}\n`);
    },
    clear: () => {
      if (stream.isTTY === true) stream.write(erase);
    },
  };
}
