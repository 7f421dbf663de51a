/**
 * Counts what a trace holds while it is read, and keeps the list of its files.
 * Next: build_timeline.ts
 */

import type { AreaRecord, SysCall, TraceEvent } from './events.ts';
import { PF_INSTR, PF_PROT, PF_WRITE, pageAfter } from './events.ts';
import type { TraceFile, TraceSummary } from './timeline.ts';

export class SummaryBuilder {
  unpaired = 0;
  private readonly faults = { total: 0, read: 0, write: 0, exec: 0, present: 0, absent: 0 };
  private readonly calls: Record<SysCall, number> = { mmap: 0, munmap: 0, mprotect: 0, mremap: 0, madvise: 0, brk: 0 };
  private readonly ignored = new Map<string, number>();
  private readonly fileOf = new Map<string, { identity: string; name: string; pages: number }>();
  private areas = 0;
  private lost = 0;
  private firstNs = 0;
  private lastNs = 0;

  count(event: TraceEvent): void {
    // What perf adds about the time before the recording has the time 0; a note about lost events has none.
    if (event.timeNs > 0) {
      if (this.firstNs === 0) this.firstNs = event.timeNs;
      this.lastNs = Math.max(this.lastNs, event.timeNs);
    }
    if (event.kind === 'fault') this.countFault(event.error_code);
    else if (event.kind === 'enter') this.calls[event.args.call]++;
    else if (event.kind === 'lost') this.lost += event.count;
    else if (event.kind === 'other') this.ignored.set(event.name, (this.ignored.get(event.name) ?? 0) + 1);
  }

  addArea({ file, name, pgoff, len }: AreaRecord): void {
    this.areas++;
    if (file === '') return;
    const pages = pageAfter(pgoff + len);
    const known = this.fileOf.get(file);
    if (known === undefined) this.fileOf.set(file, { identity: file, name, pages });
    else known.pages = Math.max(known.pages, pages);
  }

  files(): TraceFile[] {
    return [...this.fileOf.values()];
  }

  finish(lines: number, counted: { readonly threads: number; readonly processes: number; readonly spaces: number }): TraceSummary {
    const { faults, calls, areas, lost, unpaired, firstNs, lastNs } = this;
    return {
      lines,
      ...counted,
      files: this.fileOf.size,
      faults,
      calls,
      areas,
      lost,
      ignored: Object.fromEntries(this.ignored),
      unpaired,
      firstNs,
      lastNs,
    };
  }

  private countFault(code: number): void {
    this.faults.total++;
    this.faults[(code & PF_INSTR) !== 0 ? 'exec' : (code & PF_WRITE) !== 0 ? 'write' : 'read']++;
    this.faults[(code & PF_PROT) !== 0 ? 'present' : 'absent']++;
  }
}
