/** What a read section and a write section cost when nobody else is there. */
import type { Word } from '@faultlab/core/base/brand';
import type { Cpu } from '@faultlab/core/cpu';
import { read_seqcount_begin, read_seqcount_retry, write_seqcount_begin, write_seqcount_end } from '@faultlab/core/locking/seqcount';
import type { Bench } from 'tinybench';
import { alone } from '../../alone.ts';
import { timed } from '../../benchmark.ts';

const PAIRS = 20_000;

export function addSeqcountLatency(bench: Bench, smoke: boolean): void {
  const { cpu, lock } = alone();
  const pairs = smoke ? 100 : PAIRS;
  bench.add('seqcount read section', () => timed(pairs, () => readSections(cpu, lock, pairs)));
  bench.add('seqcount write section', () => timed(pairs, () => writeSections(cpu, lock, pairs)));
}

function readSections(cpu: Cpu, word: Word, count: number): number {
  let retries = 0;
  for (let i = 0; i < count; i++) if (read_seqcount_retry(cpu, word, read_seqcount_begin(cpu, word))) retries++;
  return retries;
}

function writeSections(cpu: Cpu, word: Word, count: number): void {
  for (let i = 0; i < count; i++) {
    write_seqcount_begin(cpu, word);
    write_seqcount_end(cpu, word);
  }
}
