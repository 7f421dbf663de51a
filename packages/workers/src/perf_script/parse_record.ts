/**
 * Reads the records that perf itself makes: areas, new threads, names, ends, losses.
 * Next: parse_syscall.ts
 */

import type { AreaRecord, EventHead, TraceEvent } from './events.ts';
import { malformed, numberIn, type Place } from './fields.ts';

const AREA =
  /^PERF_RECORD_MMAP2 +(-?\d{1,10})\/(-?\d{1,10}): \[(0x[0-9a-f]{1,16}|0)\((0x[0-9a-f]{1,16}|0)\) @ (0x[0-9a-f]{1,16}|0) (?:([0-9a-f]{1,8}:[0-9a-f]{1,8}) (\d{1,20}) (\d{1,20})|<([0-9a-f]*)>)\]: ([r-][w-][x-][ps])(?: (.*))?$/;
const AREA_SHAPE = '"PERF_RECORD_MMAP2 pid/tid: [0xstart(0xlength) @ offset major:minor inode generation]: rwxp name"';
const COMM = /^PERF_RECORD_COMM( exec)?: (.*):(-?\d{1,10})\/(-?\d{1,10})$/;
const COMM_SHAPE = '"PERF_RECORD_COMM: name:pid/tid" or "PERF_RECORD_COMM exec: name:pid/tid"';
const TASK = /^PERF_RECORD_(FORK|EXIT)\((-?\d{1,10}):(-?\d{1,10})\):\((-?\d{1,10}):(-?\d{1,10})\)$/;
const TASK_SHAPE = '"PERF_RECORD_FORK(pid:tid):(parent pid:parent tid)", or the same with EXIT';
const LOST = /^PERF_RECORD_LOST(?:_SAMPLES)?:? +(?:lost:? +)?(\d{1,15})\b/;
const LOST_SHAPE = '"PERF_RECORD_LOST lost count"';

/** Turns a body that starts with PERF_RECORD_ into an event. Throws UsageError when a record that is used here cannot be read. */
export function parseRecord(head: EventHead, body: string, place: Place): TraceEvent {
  const name = /^PERF_RECORD_[A-Z0-9_]*/.exec(body)?.[0] ?? body;
  switch (name) {
    case 'PERF_RECORD_MMAP2':
      return parseArea(head, body, place);
    case 'PERF_RECORD_COMM': {
      const match = COMM.exec(body);
      if (match === null) throw malformed(place, body, COMM_SHAPE);
      return {
        ...head,
        kind: 'comm',
        exec: match[1] !== undefined,
        name: match[2] as string,
        task: { pid: Number(match[3]), tid: Number(match[4]) },
      };
    }
    case 'PERF_RECORD_FORK':
    case 'PERF_RECORD_EXIT': {
      const match = TASK.exec(body);
      if (match === null) throw malformed(place, body, TASK_SHAPE);
      const task = { pid: Number(match[2]), tid: Number(match[3]) };
      if (match[1] === 'EXIT') return { ...head, kind: 'exit', task };
      return { ...head, kind: 'fork', child: task, parent: { pid: Number(match[4]), tid: Number(match[5]) } };
    }
    case 'PERF_RECORD_LOST':
    case 'PERF_RECORD_LOST_SAMPLES': {
      const match = LOST.exec(body);
      if (match === null) throw malformed(place, body, LOST_SHAPE);
      return { ...head, kind: 'lost', count: Number(match[1]) };
    }
    default:
      return { ...head, kind: 'other', name };
  }
}

function parseArea(head: EventHead, body: string, place: Place): TraceEvent {
  const match = AREA.exec(body);
  if (match === null) throw malformed(place, body, AREA_SHAPE);
  const [, pid, tid, start, len, pgoff, device, inode, generation, build, prot, name] = match;
  const area: AreaRecord = {
    start: numberIn(start as string) as number,
    len: numberIn(len as string) as number,
    pgoff: numberIn(pgoff as string) as number,
    prot: prot as string,
    file: fileIdentity(device, inode, generation, build),
    name: name ?? '',
  };
  if (!(area.len > 0) || area.start < 0) throw malformed(place, body, 'an area that is not empty');
  return { ...head, kind: 'area', owner: { pid: Number(pid), tid: Number(tid) }, area };
}

/** A file with a build id has that as its identity; no device and no inode means no file. */
function fileIdentity(
  device: string | undefined,
  inode: string | undefined,
  generation: string | undefined,
  build: string | undefined,
): string {
  if (build !== undefined) return `build:${build}`;
  return inode === '0' && /^0+:0+$/.test(device ?? '') ? '' : `${device}:${inode}:${generation}`;
}
