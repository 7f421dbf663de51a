/**
 * How large a machine has to be for a trace: an upper bound of every table, from what the trace touches and maps.
 * @fidelity reduced: counted over the whole trace, as if nothing was ever unmapped, up to what a machine can have at most
 * Next: replay_plan.ts
 */
import { FRAMES_MAX, type MachineSize } from '@faultlab/core/memory/limits';
import { DEFAULT_MAX_MAP_COUNT, MADV_POPULATE_READ, MADV_POPULATE_WRITE, MAP_LOCKED, MAP_POPULATE } from '@faultlab/core/mm/mman';
import { pageAfter, pageOf } from '../perf_script/events.ts';
import { detailOf, OpKind, type Timeline, type TraceFile, type TraceSpace } from '../perf_script/timeline.ts';

/** What one address space may come to have. */
interface Need {
  pages: number;
  tables: number;
  areas: number;
}

/** Frames, slots and tables that CPUs keep to themselves or that wait for a grace period. */
const SLACK_PER_CPU = 256;
const SLACK = 1024;
const TABLE_PAGES = 512;
/** Pages that one slot of each upper level of the page tables covers. */
const UPPER_SPANS = [2 ** 18, 2 ** 27];
const XA_SLOTS = 64;
/** An operation cuts at most two areas and adds one. */
const AREAS_PER_CALL = 3;
/** Requests that can be outstanding at once. */
const DEVICE_REQUESTS = 256;
const LIMITS = { deviceBlocks: 1 << 20, vmas: 1 << 20, tables: 1 << 17, avcs: 1 << 21, xaNodes: 1 << 18 };

/**
 * @param onDevice the files are on a block device: whole files may come into memory, by read-ahead or to begin with, and pages are written
 * back
 */
export function machineNeed(
  timeline: Timeline,
  files: readonly TraceFile[],
  cpus: number,
  userWords: number,
  onDevice: boolean,
): MachineSize {
  const needs = spaceNeeds(timeline);
  const sum = (of: (need: Need) => number): number => needs.reduce((total, need) => total + of(need), 0);
  const slack = SLACK + cpus * SLACK_PER_CPU;
  const touched = sum((need) => need.pages);
  const allPages = files.reduce((total, { pages }) => total + pages, 0);
  const filePages = onDevice ? allPages : Math.min(touched, allPages);
  const areas = Math.min(sum((need) => Math.min(need.areas, DEFAULT_MAX_MAP_COUNT + 8)) + slack, LIMITS.vmas);
  return {
    cpus,
    mms: timeline.spaces.length + 1,
    vmas: areas,
    frames: Math.min(touched + filePages + slack, FRAMES_MAX),
    tables: Math.min(sum((need) => need.tables) + slack, LIMITS.tables),
    anonVmas: areas,
    avcs: Math.min(areas * (2 + forkDepth(timeline.spaces)), LIMITS.avcs),
    mappings: files.length + 1,
    xaNodes: Math.min(
      files.reduce((total, { pages }) => total + nodesOf(onDevice ? pages : Math.min(pages, touched)), 0) + slack,
      LIMITS.xaNodes,
    ),
    swaps: 0,
    swapSlots: 0,
    userfaultfds: 0,
    devices: onDevice ? 1 : 0,
    deviceRequests: onDevice ? DEVICE_REQUESTS : 0,
    deviceBlocks: onDevice ? Math.min(touched + SLACK, LIMITS.deviceBlocks) : 0,
    traceEntries: 256,
    userWords,
  };
}

/** Parents come before their copies, so one pass in the order of the trace is enough. */
function spaceNeeds(timeline: Timeline): Need[] {
  const { ops, spaces, growth } = timeline;
  const needs = spaces.map((): Need => ({ pages: 0, tables: 4, areas: 8 }));
  const touched = spaces.map(() => new Set<number>());
  const blocks = spaces.map(() => new Set<number>());
  for (let op = 0; op < ops.count; op++) {
    const space = ops.space[op] as number;
    if (space === -1) continue;
    const need = needs[space] as Need;
    if (ops.kind[op] === OpKind.fault) {
      const page = pageOf(ops.value[op] as number);
      touched[space]?.add(page);
      blocks[space]?.add(Math.floor(page / TABLE_PAGES));
      if (growth.has(op)) need.areas++;
      continue;
    }
    const detail = detailOf(timeline, op);
    if (detail.kind === 'fork') addAll(touched, blocks, needs, space, detail.childSpace);
    if (detail.kind === 'call') {
      const pages = populated(detail.args);
      need.pages += pages;
      need.tables +=
        Math.ceil(pages / TABLE_PAGES) + (detail.args.call === 'mremap' ? 3 + Math.ceil(pageAfter(detail.args.new_len) / TABLE_PAGES) : 1);
    }
    need.areas += AREAS_PER_CALL;
  }
  needs.forEach((need, space) => {
    need.pages += touched[space]?.size ?? 0;
    need.tables += tablesOf(blocks[space] ?? new Set());
  });
  return needs;
}

function addAll(touched: readonly Set<number>[], blocks: readonly Set<number>[], needs: readonly Need[], from: number, to: number): void {
  for (const page of touched[from] ?? []) touched[to]?.add(page);
  for (const block of blocks[from] ?? []) blocks[to]?.add(block);
  const [parent, child] = [needs[from] as Need, needs[to] as Need];
  child.areas += parent.areas;
  child.pages += parent.pages;
  child.tables += parent.tables;
}

/** Pages that a call faults in by itself. */
function populated(args: {
  readonly call: string;
  readonly len?: number;
  readonly flags?: number;
  readonly len_in?: number;
  readonly behavior?: number;
}): number {
  if (args.call === 'mmap' && ((args.flags ?? 0) & (MAP_POPULATE | MAP_LOCKED)) !== 0) return pageAfter(args.len ?? 0);
  const populates = args.call === 'madvise' && (args.behavior === MADV_POPULATE_READ || args.behavior === MADV_POPULATE_WRITE);
  return populates ? pageAfter(args.len_in ?? 0) : 0;
}

/** Page tables of all levels. Windows keep blocks of 512 pages whole, and move the upper levels apart by one at the most. */
function tablesOf(blocks: ReadonlySet<number>): number {
  let tables = blocks.size;
  for (const span of UPPER_SPANS) tables += 2 * new Set(Array.from(blocks, (block) => Math.floor((block * TABLE_PAGES) / span))).size;
  return tables;
}

function nodesOf(pages: number): number {
  let nodes = 1;
  for (let level = pages; level > 1; level = Math.ceil(level / XA_SLOTS)) nodes += Math.ceil(level / XA_SLOTS);
  return nodes;
}

function forkDepth(spaces: readonly TraceSpace[]): number {
  const depths: number[] = [];
  for (const { parent } of spaces) depths.push(parent === -1 ? 0 : (depths[parent] ?? 0) + 1);
  return Math.max(0, ...depths);
}
