/** What a program sees: contents through forks and files, signals, and the advice that a child feels. */
import type { MappingId, MmId, Vpn } from '@faultlab/core/base/brand';
import { NO_MAPPING } from '@faultlab/core/base/brand';
import type { Cpu } from '@faultlab/core/cpu';
import { createFile, freeFile } from '@faultlab/core/mm/address_space';
import { dropFilePages, fileToken } from '@faultlab/core/mm/filemap';
import * as mman from '@faultlab/core/mm/mman';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import { SIGKILL, SIGUSR1, send_signal, signal_pending, takeSignals } from '@faultlab/core/sched/task';
import { sys_madvise } from '@faultlab/core/syscalls/madvise';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';
import { sys_mprotect } from '@faultlab/core/syscalls/mprotect';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { readCounters } from '@faultlab/core/trace/counters';
import { ACCESS_NAMES, userRead, userWrite } from '@faultlab/core/user/access';
import { kernelRead, processVmRead, processVmWrite } from '@faultlab/core/user/kernel_access';
import { assert, suite } from '@faultlab/test-support';
import { layoutText } from '../fixtures/layout.ts';
import { ALL_POLICIES, BASE, type OneCpu, withCpu } from '../fixtures/with_cpu.ts';

const test = suite('user/access');

const X = BASE;
const RW = mman.PROT_READ | mman.PROT_WRITE;
const FILE_PAGES = 4;

const map = (cpu: Cpu, start: number, pages: number, flags: number, file: MappingId = NO_MAPPING): number =>
  sys_mmap(cpu, start, pages, RW, mman.MAP_FIXED | flags | (file === NO_MAPPING ? mman.MAP_ANONYMOUS : 0), file, 0);
const write = (cpu: Cpu, page: number, value: number): string => ACCESS_NAMES[userWrite(cpu, page as Vpn, value)] as string;
const read = (cpu: Cpu, page: number): number | string => {
  const outcome = userRead(cpu, page as Vpn);
  return outcome === 0 ? cpu.value : (ACCESS_NAMES[outcome] as string);
};
function inSpace<R>(cpu: Cpu, mm: MmId, body: () => R): R {
  const before = cpu.mm;
  switch_mm(cpu, mm);
  const result = body();
  switch_mm(cpu, before);
  return result;
}

/** A file that is mapped shared at X and private at X + 100; both go before the file. */
function withFile(one: OneCpu, body: (file: MappingId) => void): void {
  const { cpu } = one;
  const file = createFile(cpu, FILE_PAGES);
  map(cpu, X, FILE_PAGES + 2, mman.MAP_SHARED, file);
  map(cpu, X + 100, FILE_PAGES + 2, mman.MAP_PRIVATE, file);
  body(file);
  sys_munmap(cpu, X, 200);
  dropFilePages(cpu, file);
  freeFile(cpu, file);
}

for (const policy of ALL_POLICIES) {
  test(`${policy.name}: a shared mapping of a file shows its writes to everybody, a private one keeps them`, () => {
    withCpu({ policy }, (one) => {
      const { cpu } = one;
      withFile(one, (file) => {
        assert.is(read(cpu, X + 1), fileToken(file, 1));
        assert.is(read(cpu, X + 101), fileToken(file, 1));
        assert.is(write(cpu, X + 1, 7), 'ok');
        assert.is(read(cpu, X + 101), 7, 'a private page that was only read follows the file');
        assert.is(write(cpu, X + 101, 8), 'ok');
        assert.is(read(cpu, X + 1), 7);
        const child = one.fork() as MmId;
        inSpace(cpu, child, () => {
          assert.equal([read(cpu, X + 1), read(cpu, X + 101)], [7, 8]);
          write(cpu, X + 1, 9);
          write(cpu, X + 101, 10);
        });
        assert.equal([read(cpu, X + 1), read(cpu, X + 101)], [9, 8]);
        sys_madvise(cpu, X + 101, 1, mman.MADV_DONTNEED);
        assert.is(read(cpu, X + 101), 9, 'a private copy that was thrown away shows the file again');
        one.exit(child);
      });
    });
  });

  test(`${policy.name}: an access beyond the end of a file is a bus error, for reads, writes and the kernel`, () => {
    withCpu({ policy }, (one) => {
      const { cpu } = one;
      withFile(one, () => {
        for (const start of [X, X + 100]) {
          assert.is(read(cpu, start + FILE_PAGES), 'BUS_ADRERR');
          assert.is(write(cpu, start + FILE_PAGES, 1), 'BUS_ADRERR');
          assert.is(kernelRead(cpu, (start + FILE_PAGES) as Vpn), -14);
          assert.is(processVmRead(cpu, cpu.mm, (start + FILE_PAGES) as Vpn), -14);
        }
      });
    });
  });

  test(`${policy.name}: what a child gets depends on the advice: nothing, empty pages, or copies`, () => {
    withCpu({ policy }, (one) => {
      const { cpu } = one;
      map(cpu, X, 12, mman.MAP_PRIVATE);
      for (let page = 0; page < 12; page++) write(cpu, X + page, page + 1);
      assert.is(sys_madvise(cpu, X, 4, mman.MADV_DONTFORK), 0);
      assert.is(sys_madvise(cpu, X + 8, 4, mman.MADV_WIPEONFORK), 0);
      const child = one.fork() as MmId;
      assert.is(layoutText(cpu, child, X), '4-8 rw-p, 8-12 rw-p');
      inSpace(cpu, child, () => {
        assert.equal([read(cpu, X), read(cpu, X + 4), read(cpu, X + 8)], ['SEGV_MAPERR', 5, 0]);
        write(cpu, X + 4, 50);
        write(cpu, X + 8, 90);
      });
      assert.equal([read(cpu, X), read(cpu, X + 4), read(cpu, X + 8)], [1, 5, 9]);
      assert.is(sys_madvise(cpu, X, 4, mman.MADV_DOFORK), 0);
      assert.is(sys_madvise(cpu, X + 8, 4, mman.MADV_KEEPONFORK), 0);
      assert.is(layoutText(cpu, cpu.mm, X), '0-12 rw-p');
      const second = one.fork() as MmId;
      assert.equal(
        inSpace(cpu, second, () => [read(cpu, X), read(cpu, X + 8)]),
        [1, 9],
      );
    });
  });

  test(`${policy.name}: of a page that parent and child share one of the two writes a copy, and the other the page itself`, () => {
    withCpu({ policy }, (one) => {
      const { cpu } = one;
      map(cpu, X, 1, mman.MAP_PRIVATE);
      write(cpu, X, 1);
      const child = one.fork() as MmId;
      inSpace(cpu, child, () => write(cpu, X, 2));
      assert.is(write(cpu, X, 3), 'ok');
      assert.equal([read(cpu, X), inSpace(cpu, child, () => read(cpu, X))], [3, 2]);
      const { wp_copy, wp_reuse } = readCounters(cpu.memory);
      assert.equal([wp_copy, wp_reuse], [1, 1]);
    });
  });
}

test('another process is written without its knowledge, and with a copy of its own', () => {
  withCpu({}, (one) => {
    const { cpu } = one;
    map(cpu, X, 2, mman.MAP_PRIVATE);
    write(cpu, X, 1);
    const child = one.fork() as MmId;
    assert.is(processVmWrite(cpu, child, X as Vpn, 5), 0);
    assert.is(processVmWrite(cpu, child, (X + 1) as Vpn, 6), 0);
    assert.equal([read(cpu, X), read(cpu, X + 1)], [1, 0]);
    assert.equal(
      inSpace(cpu, child, () => [read(cpu, X), read(cpu, X + 1)]),
      [5, 6],
    );
  });
});

test('a signal is delivered on the way back from a fault, a fatal one ends the access', () => {
  withCpu({}, ({ cpu }) => {
    map(cpu, X, 2, mman.MAP_PRIVATE);
    send_signal(cpu, cpu.id, SIGUSR1);
    assert.is(write(cpu, X, 1), 'ok');
    assert.is(signal_pending(cpu), false);
    send_signal(cpu, cpu.id, SIGUSR1);
    send_signal(cpu, cpu.id, SIGKILL);
    assert.is(write(cpu, X + 1, 1), 'KILLED');
    assert.is(takeSignals(cpu) & (1 << (SIGKILL - 1)), 1 << (SIGKILL - 1), 'a fatal signal is not delivered to a handler');
  });
});

test('protection is felt at once, also by pages that are cached as writable', () => {
  withCpu({}, ({ cpu }) => {
    map(cpu, X, 2, mman.MAP_PRIVATE);
    write(cpu, X, 1);
    sys_mprotect(cpu, X, 2, mman.PROT_READ);
    assert.equal([write(cpu, X, 2), read(cpu, X)], ['SEGV_ACCERR', 1]);
    sys_mprotect(cpu, X, 2, mman.PROT_NONE);
    assert.equal([read(cpu, X), read(cpu, X + 1)], ['SEGV_ACCERR', 'SEGV_ACCERR']);
    sys_mprotect(cpu, X, 2, RW);
    assert.equal([read(cpu, X), write(cpu, X, 3), read(cpu, X)], [1, 'ok', 3]);
  });
});

test.run();
