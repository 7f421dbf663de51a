/**
 * A trace as the file `trace` of tracefs shows one, with the kernel's names of tracepoints and fields where it has them. What the kernel has no
 * tracepoint for is written as `name: field=value`.
 * @kernel include/trace/events/mmap_lock.h, arch/x86/include/asm/trace/exceptions.h, include/trace/events/{sched,filemap,block,tlb}.h
 * Next: write_exports.ts
 */
import type { TraceEntry } from '@faultlab/core/trace/trace_ring';
import type { RunResult } from '../run_result.ts';
import type { TimedEntry } from './slice.ts';
import { timedEntries, traceOf } from './timeline.ts';

type Args = TraceEntry['args'];
type Fields = (args: Args, cpu: number) => string;

const PAGE_SHIFT = 12;
const SECTORS_OF_PAGE = 8;
const WORD = 2 ** 32;

const of = (args: Args, name: string): number => args[name] ?? 0;
const hex = (value: number): string => `0x${(value < 0 ? value + WORD : value).toString(16)}`;
const address = (vpn: number): string => `0x${(BigInt(vpn) << BigInt(PAGE_SHIFT)).toString(16)}`;
const offset = (index: number): string => (BigInt(index) << BigInt(PAGE_SHIFT)).toString();
const pointer = (record: number): string => record.toString(16).padStart(16, '0');
const truth = (flag: number): string => (flag === 0 ? 'false' : 'true');
/** A task has its CPU to itself: its number is that of the CPU and one, as 0 would be the idle task. */
const pid = (cpu: number): number => cpu + 1;

const mmapLock: Fields = (args) => `mm=${pointer(of(args, 'mm'))} memcg_path= write=${truth(of(args, 'write'))}`;
/** The model has no addresses of code. */
const fault: Fields = (args) => `address=${address(of(args, 'vpn'))} ip=0x0 error_code=${hex(of(args, 'error_code'))}`;
const page: Fields = (args) =>
  `dev 0:0 ino ${hex(of(args, 'file')).slice(2)} pfn=${hex(of(args, 'pfn'))} ofs=${offset(of(args, 'index'))} order=0`;

const FIELDS: Readonly<Record<string, Fields>> = {
  page_fault_user: fault,
  page_fault_kernel: fault,
  mmap_lock_start_locking: mmapLock,
  mmap_lock_released: mmapLock,
  mmap_lock_acquire_returned: (args, cpu) => `${mmapLock(args, cpu)} success=${truth(of(args, 'success'))}`,
  sched_waking: (args) => {
    const target = of(args, 'target_cpu');
    return `comm=cpu-${target} pid=${pid(target)} prio=120 target_cpu=${String(target).padStart(3, '0')}`;
  },
  mm_filemap_fault: (args) => `dev 0:0 ino ${hex(of(args, 'file')).slice(2)} ofs=${offset(of(args, 'index'))}`,
  mm_filemap_map_pages: (args) =>
    `dev 0:0 ino ${hex(of(args, 'file')).slice(2)} ofs=${offset(of(args, 'start'))}-${offset(of(args, 'end') + 1)}`,
  mm_filemap_add_to_page_cache: page,
  mm_filemap_delete_from_page_cache: page,
  block_bio_queue: (args, cpu) =>
    `0,0 ${of(args, 'write') === 0 ? 'R' : 'W'} ${of(args, 'extent') * SECTORS_OF_PAGE} + ${of(args, 'pages') * SECTORS_OF_PAGE} [cpu-${cpu}]`,
};

const plain: Fields = (args) =>
  Object.entries(args)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');

/** Ends with a newline. Lines are in the order of time. */
export function ftraceText(result: Pick<RunResult, 'trace' | 'postMortem'>): string {
  const trace = traceOf(result);
  const lines = timedEntries(trace)
    .flat()
    .sort((a, b) => a.atUs - b.atUs || a.cpu - b.cpu || a.sequence - b.sequence)
    .map(lineOf);
  const written = trace.reduce((sum, entries) => sum + (entries.at(-1)?.sequence ?? 0), 0);
  return [
    '# tracer: nop',
    '#',
    `# entries-in-buffer/entries-written: ${lines.length}/${written}   #P:${trace.length}`,
    '#',
    '#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION',
    '#              | |         |   |||||     |         |',
    ...lines,
    '',
  ].join('\n');
}

function lineOf({ cpu, atUs, name, args }: TimedEntry): string {
  const task = `cpu-${cpu}-${pid(cpu)}`.padStart(22);
  const time = `${Math.floor(atUs / 1e6)}.${String(atUs % 1e6).padStart(6, '0')}`.padStart(12);
  return `${task}   [${String(cpu).padStart(3, '0')}] ..... ${time}: ${name}: ${(FIELDS[name] ?? plain)(args, cpu)}`.trimEnd();
}
