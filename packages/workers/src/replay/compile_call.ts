/**
 * One system call of the trace as a call of the model: bytes become pages, and what only the bytes can decide is decided here.
 * @kernel mm/mmap.c, mm/mprotect.c, mm/mremap.c, mm/madvise.c: the checks of alignment at their entries
 * @fidelity reduced: refusals whose reason the model does not have (file modes, limits of the system) are not carried out
 * Next: compile_program.ts
 */
import { EAGAIN, EINVAL, ENOMEM, errnoName } from '@faultlab/core/base/errno';
import {
  MADV_DODUMP,
  MADV_DOFORK,
  MADV_DONTDUMP,
  MADV_DONTFORK,
  MADV_DONTNEED,
  MADV_FREE,
  MADV_HUGEPAGE,
  MADV_KEEPONFORK,
  MADV_NOHUGEPAGE,
  MADV_NORMAL,
  MADV_POPULATE_READ,
  MADV_POPULATE_WRITE,
  MADV_RANDOM,
  MADV_SEQUENTIAL,
  MADV_WIPEONFORK,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_GROWSDOWN,
  MAP_LOCKED,
  MAP_NONBLOCK,
  MAP_NORESERVE,
  MAP_POPULATE,
  MAP_STACK,
  MAP_TYPE,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  TASK_SIZE_VPN,
} from '@faultlab/core/mm/mman';
import { type AddressWindows, toModel } from '../perf_script/address_windows.ts';
import { type AreaRecord, PAGE_BYTES, pageAfter, pageOf, type SysArgs } from '../perf_script/events.ts';
import { PROT_EXEC, PROT_READ, PROT_WRITE } from '../perf_script/layout.ts';
import { succeeded } from '../perf_script/ranges.ts';
import type { CallDetail } from '../perf_script/timeline.ts';
import { type CallStep, type ModelArea, NO_FILE, type Step } from './replay_program.ts';

/** How the trace's places are called in the model. */
export interface Places {
  readonly windows: AddressWindows;
  /** Number of a file by its identity; NO_FILE for memory without one. */
  fileOf(identity: string): number;
  /** A file that nothing else is known of: the trace has a mapping of it, but no report. */
  unknownFile(pages: number): number;
}

type ArgsOf<Call extends SysArgs['call']> = SysArgs & { readonly call: Call };

const KNOWN_MAP_FLAGS: number =
  MAP_TYPE |
  MAP_FIXED |
  MAP_ANONYMOUS |
  MAP_GROWSDOWN |
  MAP_LOCKED |
  MAP_NORESERVE |
  MAP_POPULATE |
  MAP_NONBLOCK |
  MAP_STACK |
  MAP_FIXED_NOREPLACE;
const KNOWN_PROT: number = PROT_READ | PROT_WRITE | PROT_EXEC;
const KNOWN_ADVICE: ReadonlySet<number> = new Set([
  MADV_NORMAL,
  MADV_RANDOM,
  MADV_SEQUENTIAL,
  MADV_DONTNEED,
  MADV_FREE,
  MADV_DONTFORK,
  MADV_DOFORK,
  MADV_HUGEPAGE,
  MADV_NOHUGEPAGE,
  MADV_DONTDUMP,
  MADV_DODUMP,
  MADV_WIPEONFORK,
  MADV_KEEPONFORK,
  MADV_POPULATE_READ,
  MADV_POPULATE_WRITE,
]);
/** Errors of mmap of a file that come from the file or its descriptor: EPERM, EBADF, EACCES, ENODEV, ENFILE, ETXTBSY, EOVERFLOW. */
const FILE_ERRORS: ReadonlySet<number> = new Set([-1, -9, -13, -19, -23, -26, -75]);

/** A page that lies above everything: what an address that no program can have becomes. */
const NOWHERE = TASK_SIZE_VPN;
const USER_END = 2 ** 47;

export function compileCall(detail: CallDetail, places: Places): Step {
  const { args } = detail;
  const reason = notModelled(detail);
  if (reason !== undefined) return { do: 'skip', why: reason };
  const common = {
    do: 'call',
    expected: expectedOf(detail, places),
    areas: detail.records.map((record) => modelArea(record, places)),
  } as const;
  if (misaligned(args)) return { ...common, call: 'refused', answer: EINVAL };
  switch (args.call) {
    case 'mmap':
      return { ...common, ...compileMmap(args, detail, places) };
    case 'munmap':
      return { ...common, call: 'munmap', ...span(places, args.addr, args.len) };
    case 'mprotect':
      return { ...common, call: 'mprotect', ...span(places, args.start, args.len), prot: args.prot & KNOWN_PROT };
    case 'mremap':
      return { ...common, ...compileMremap(args, detail, places) };
    case 'madvise':
      return { ...common, call: 'madvise', ...span(places, args.start, args.len_in), advice: args.behavior };
    case 'brk':
      return { ...common, call: 'brk', at: heapPage(places, args.brk) };
  }
}

/** An area as the kernel reported it, in the model's pages. */
export function modelArea(record: AreaRecord, places: Places): ModelArea {
  const { at, pages } = span(places, record.start, record.len);
  return { start: at, end: at + pages, prot: record.prot, file: places.fileOf(record.file), pgoff: pageOf(record.pgoff) };
}

/** The first page that is not heap when the heap ends at this byte. */
export const heapPage = (places: Places, address: number): number => (address <= 0 ? 0 : pageIn(places, pageAfter(address)));

function compileMmap(
  args: ArgsOf<'mmap'>,
  detail: CallDetail,
  places: Places,
): Omit<CallStep & { readonly call: 'mmap' }, 'do' | 'expected' | 'areas'> {
  const known = args.flags & KNOWN_MAP_FLAGS;
  const worked = succeeded(detail);
  // The kernel has chosen the place; the model has to find it free.
  const forced = worked && (known & (MAP_FIXED | MAP_FIXED_NOREPLACE)) === 0 ? known | MAP_FIXED_NOREPLACE : known;
  const pages = Math.min(pageAfter(args.len), NOWHERE);
  const at = worked ? pageIn(places, pageOf(detail.result)) : args.addr <= 0 ? 0 : pageIn(places, pageOf(args.addr));
  return {
    call: 'mmap',
    at,
    pages,
    prot: args.prot & KNOWN_PROT,
    flags: forced,
    file: fileOfMmap(args, detail, places),
    pgoff: pageOf(args.off),
  };
}

function fileOfMmap(args: ArgsOf<'mmap'>, detail: CallDetail, places: Places): number {
  const [record] = detail.records;
  if (record !== undefined) return places.fileOf(record.file);
  const isPrivateMemory = (args.flags & MAP_ANONYMOUS) !== 0 && (args.flags & MAP_TYPE) === 2;
  return isPrivateMemory ? NO_FILE : places.unknownFile(pageAfter(Math.max(args.off, 0) + args.len));
}

function compileMremap(
  args: ArgsOf<'mremap'>,
  detail: CallDetail,
  places: Places,
): Omit<CallStep & { readonly call: 'mremap' }, 'do' | 'expected' | 'areas'> {
  const { at } = span(places, args.addr, Math.max(args.old_len, 1));
  const chosen = succeeded(detail) && (args.flags & MREMAP_FIXED) === 0 && detail.result !== args.addr;
  const flags = chosen ? args.flags | MREMAP_FIXED | MREMAP_MAYMOVE : args.flags;
  const target = chosen ? detail.result : args.new_addr;
  return {
    call: 'mremap',
    at,
    pages: pageCount(args.old_len),
    newPages: pageCount(args.new_len),
    flags,
    newAt: target > 0 ? pageIn(places, pageOf(target)) : 0,
    chosen,
  };
}

/** What the model has to return. */
function expectedOf(detail: CallDetail, places: Places): number {
  const { args, result } = detail;
  if (!succeeded(detail)) return result;
  if (args.call === 'brk') return heapPage(places, result);
  return args.call === 'mmap' || args.call === 'mremap' ? pageIn(places, pageOf(result)) : result;
}

/** Why the call is not carried out, or undefined. */
function notModelled(detail: CallDetail): string | undefined {
  const { args, result } = detail;
  if (args.call === 'madvise' && !KNOWN_ADVICE.has(args.behavior))
    return `madvise with advice ${args.behavior}, which the model does not have`;
  if (succeeded(detail)) return undefined;
  const ofFile = args.call === 'mmap' && (args.flags & MAP_ANONYMOUS) === 0;
  if (ofFile && FILE_ERRORS.has(result)) return `mmap of a file that was refused for the file's sake (errno ${-result})`;
  const takesMemory = args.call === 'mmap' || args.call === 'mremap';
  if (takesMemory && result === EAGAIN) return `${args.call} refused with EAGAIN, for a limit that the trace does not tell`;
  const largest = args.call === 'mmap' ? args.len : args.call === 'mremap' ? args.new_len : 0;
  if (takesMemory && result === ENOMEM && largest > 0 && largest < USER_END / 2)
    return `${args.call} refused with ${errnoName(ENOMEM)}, for a limit that the trace does not tell`;
  return undefined;
}

/** The checks that the kernel makes on bytes. */
function misaligned(args: SysArgs): boolean {
  const odd = (address: number): boolean => address % PAGE_BYTES !== 0;
  switch (args.call) {
    case 'mmap':
      return odd(args.off) || ((args.flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) !== 0 && odd(args.addr));
    case 'munmap':
      return odd(args.addr);
    case 'mprotect':
    case 'madvise':
      return odd(args.start);
    case 'mremap':
      return odd(args.addr) || ((args.flags & MREMAP_FIXED) !== 0 && odd(args.new_addr));
    case 'brk':
      return false;
  }
}

function span(places: Places, start: number, len: number): { readonly at: number; readonly pages: number } {
  if (start < 0 || start >= USER_END) return { at: NOWHERE, pages: 1 };
  const at = pageIn(places, pageOf(start));
  if (len === 0) return { at, pages: 0 };
  if (len < 0 || start + len > USER_END) return { at, pages: NOWHERE };
  return { at, pages: pageIn(places, pageAfter(start + len) - 1) + 1 - at };
}

const pageIn = ({ windows }: Places, page: number): number => Math.min(toModel(windows, page), NOWHERE);
const pageCount = (len: number): number => (len < 0 ? NOWHERE : Math.min(pageAfter(len), NOWHERE));
