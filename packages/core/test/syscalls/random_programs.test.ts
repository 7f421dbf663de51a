/** Random programs on one CPU, in up to four related address spaces, against what a program may rely on. */
import type { MappingId, MmId, Vpn } from '@faultlab/core/base/brand';
import { NO_MAPPING } from '@faultlab/core/base/brand';
import { errnoName } from '@faultlab/core/base/errno';
import type { Cpu } from '@faultlab/core/cpu';
import { rcu_process_callbacks } from '@faultlab/core/locking/rcu';
import { createFile, freeFile } from '@faultlab/core/mm/address_space';
import { dropFilePages } from '@faultlab/core/mm/filemap';
import * as mman from '@faultlab/core/mm/mman';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { sys_madvise } from '@faultlab/core/syscalls/madvise';
import { sys_mlock, sys_munlock } from '@faultlab/core/syscalls/mlock';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';
import { sys_mprotect } from '@faultlab/core/syscalls/mprotect';
import { sys_mremap } from '@faultlab/core/syscalls/mremap';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { ACCESS_NAMES, userRead, userWrite } from '@faultlab/core/user/access';
import { kernelWrite, processVmRead, processVmWrite } from '@faultlab/core/user/kernel_access';
import { assert, suite } from '@faultlab/test-support';
import fc from 'fast-check';
import { areasOf, checkLayout } from '../fixtures/layout.ts';
import { ALL_POLICIES, BASE, type OneCpu, withCpu } from '../fixtures/with_cpu.ts';
import { FileOracle, type Seen, SpaceOracle } from './page_oracle.ts';

const test = suite('syscalls/random_programs');

/** The pages of the programs lie on both sides of the border between two page tables. */
const WINDOW = 40;
const FIRST = BASE + 512 - WINDOW / 2;
const FILE_PAGES = 12;
const SPACES_MAX = 4;
const MOVE = mman.MREMAP_MAYMOVE | mman.MREMAP_FIXED;

const page = fc.integer({ min: 0, max: WINDOW - 1 });
const len = fc.integer({ min: 1, max: 10 });
const prot = fc.constantFrom(0, 1, 3, 3, 3, 2, 5);
const op = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('read' as const), page }) },
  { weight: 9, arbitrary: fc.record({ kind: fc.constant('write' as const), page }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('map' as const),
      page,
      len,
      prot,
      of: fc.constantFrom('anon', 'anon', 'anon', 'private', 'shared'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('map anywhere' as const), len, prot }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('unmap' as const), page, len }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('protect' as const), page, len, prot }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('move' as const), page, len, to: page }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('move and keep' as const), page, len, to: page }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('resize' as const), page, len, now: len, mayMove: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('discard' as const), page, len }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('flag' as const),
      page,
      len,
      advice: fc.constantFrom('wipe', 'keep', 'dontfork', 'dofork', 'random'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('lock' as const), page, len }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('unlock' as const), page, len }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('peek' as const, 'poke' as const, 'copyin' as const), page }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'fork' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'exit' as const }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('switch' as const), to: fc.nat({ max: SPACES_MAX - 1 }) }) },
);
type Op = typeof op extends fc.Arbitrary<infer T> ? T : never;

interface Space {
  readonly mm: MmId;
  readonly oracle: SpaceOracle;
}

/** The model and the oracle, side by side. */
class SideBySide {
  readonly #one: OneCpu;
  readonly #cpu: Cpu;
  readonly #file: MappingId;
  readonly #spaces: Space[];
  #current: Space;
  #stamp = 0;

  constructor(one: OneCpu, file: MappingId) {
    this.#one = one;
    this.#cpu = one.cpu;
    this.#file = file;
    this.#current = { mm: one.mm, oracle: new SpaceOracle(new FileOracle(file, FILE_PAGES)) };
    this.#spaces = [this.#current];
  }

  perform(step: Op): void {
    this.#dispatch(step);
    rcu_process_callbacks(this.#cpu);
    this.#compareLayout(this.#current);
  }

  /** Every page of every address space, at the end. */
  finish(): void {
    for (const space of this.#spaces) {
      this.#switchTo(space);
      checkLayout(this.#cpu, space.mm);
      for (const at of [...space.oracle.pages.keys()].sort((a, b) => a - b))
        this.#seen(`page ${at - FIRST}`, this.#readPage(at), space.oracle.read(at));
    }
  }

  /** Ends all address spaces but one, and unmaps everything there. */
  end(): void {
    while (this.#spaces.length > 1) this.#exit();
    assert.is(sys_munmap(this.#cpu, 0, mman.TASK_SIZE_VPN), 0);
  }

  #switchTo(space: Space): void {
    this.#current = space;
    switch_mm(this.#cpu, space.mm);
  }

  #readPage(at: number): Seen {
    const outcome = ACCESS_NAMES[userRead(this.#cpu, at as Vpn)] as string;
    return outcome === 'ok' ? { outcome, value: this.#cpu.value } : ({ outcome } as Seen);
  }

  #seen(what: string, model: Seen, oracle: Seen): void {
    assert.equal(model, oracle, what);
  }

  #compareLayout({ mm, oracle }: Space): void {
    const model: [number, number][] = [];
    for (const { start, end, flags } of areasOf(this.#cpu, mm)) for (let at = start; at < end; at++) model.push([at - FIRST, flags & 7]);
    const expected = [...oracle.pages].map(([at, { prot: bits }]): [number, number] => [at - FIRST, bits]).sort((a, b) => a[0] - b[0]);
    assert.equal(model, expected, 'the layout');
  }

  #dispatch(step: Op): void {
    switch (step.kind) {
      case 'read':
      case 'write':
      case 'peek':
      case 'poke':
      case 'copyin':
        this.#access(step.kind, FIRST + step.page);
        break;
      case 'fork':
        this.#fork();
        break;
      case 'exit':
        this.#exit();
        break;
      case 'switch':
        this.#switchTo(this.#spaces[step.to % this.#spaces.length] as Space);
        break;
      case 'map':
        this.#map(FIRST + step.page, step.len, step.prot, step.of, step.page);
        break;
      case 'map anywhere':
        this.#mapAnywhere(step.len, step.prot);
        break;
      case 'unmap':
        assert.is(sys_munmap(this.#cpu, FIRST + step.page, step.len), 0);
        this.#current.oracle.unmap(FIRST + step.page, step.len);
        break;
      case 'protect':
        this.#protect(FIRST + step.page, step.len, step.prot);
        break;
      case 'move':
      case 'move and keep':
        this.#move(FIRST + step.page, step.len, FIRST + step.to, step.kind === 'move and keep');
        break;
      case 'resize':
        this.#resize(FIRST + step.page, step.len, step.now, step.mayMove);
        break;
      case 'discard':
        this.#discard(FIRST + step.page, step.len);
        break;
      case 'flag':
        this.#flag(FIRST + step.page, step.len, step.advice);
        break;
      case 'lock':
      case 'unlock':
        this.#lock(FIRST + step.page, step.len, step.kind === 'lock');
        break;
    }
  }

  #access(kind: 'read' | 'write' | 'peek' | 'poke' | 'copyin', at: number): void {
    const cpu = this.#cpu;
    const { oracle, mm } = this.#current;
    const vpn = at as Vpn;
    const value = ++this.#stamp;
    if (kind === 'read') this.#seen('read', this.#readPage(at), oracle.read(at));
    else if (kind === 'write') {
      const outcome = ACCESS_NAMES[userWrite(cpu, vpn, value)] as 'ok';
      this.#seen('write', outcome === 'ok' ? { outcome, value } : { outcome }, oracle.write(at, value));
    } else if (kind === 'peek') {
      const read = oracle.read(at);
      // GUP wants the right to read, which write-only memory does not give.
      const readable = ((oracle.pages.get(at)?.prot ?? 0) & mman.PROT_READ) !== 0;
      const result = processVmRead(cpu, mm, vpn);
      assert.is(errnoName(result), read.outcome === 'ok' && readable ? 'ok' : 'EFAULT');
      if (result === 0 && read.outcome === 'ok') assert.is(cpu.value, read.value);
    } else {
      const result = kind === 'poke' ? processVmWrite(cpu, mm, vpn, value) : kernelWrite(cpu, vpn, value);
      assert.is(errnoName(result), oracle.write(at, value).outcome === 'ok' ? 'ok' : 'EFAULT');
    }
  }

  #fork(): void {
    if (this.#spaces.length === SPACES_MAX) return;
    const child = this.#one.fork();
    assert.ok(child > 0, 'fork');
    const space: Space = { mm: child as MmId, oracle: this.#current.oracle.fork() };
    this.#spaces.push(space);
    this.#compareLayout(space);
  }

  #exit(): void {
    if (this.#spaces.length === 1) return;
    const gone = this.#current;
    this.#spaces.splice(this.#spaces.indexOf(gone), 1);
    this.#switchTo(this.#spaces[0] as Space);
    this.#one.exit(gone.mm);
  }

  #mapAnywhere(pages: number, bits: number): void {
    const { oracle } = this.#current;
    const result = sys_mmap(this.#cpu, 0, pages, bits, mman.MAP_PRIVATE | mman.MAP_ANONYMOUS, NO_MAPPING, 0);
    assert.ok(result > 0 && oracle.range(result, pages).every((there) => there === undefined), 'a place that was free');
    oracle.map(result, pages, bits, false, -1);
  }

  #map(start: number, pages: number, bits: number, of: string, index: number): void {
    const { oracle } = this.#current;
    const offset = index % FILE_PAGES;
    const file = of === 'anon' ? NO_MAPPING : this.#file;
    const flags = mman.MAP_FIXED | (of === 'shared' ? mman.MAP_SHARED : mman.MAP_PRIVATE) | (of === 'anon' ? mman.MAP_ANONYMOUS : 0);
    assert.is(sys_mmap(this.#cpu, start, pages, bits, flags, file, offset), start);
    oracle.map(start, pages, bits, of === 'shared', of === 'anon' ? -1 : offset);
  }

  /** Page by page up to the first hole. */
  #protect(start: number, pages: number, bits: number): void {
    const range = this.#current.oracle.range(start, pages);
    const hole = range.indexOf(undefined);
    assert.is(errnoName(sys_mprotect(this.#cpu, start, pages, bits)), hole < 0 ? 'ok' : 'ENOMEM');
    for (const there of hole < 0 ? range : range.slice(0, hole)) if (there !== undefined) there.prot = bits;
  }

  #areaEnd(start: number): number {
    return areasOf(this.#cpu, this.#current.mm).find((area) => area.start <= start && start < area.end)?.end ?? -1;
  }

  #move(start: number, pages: number, to: number, keep: boolean): void {
    const { oracle } = this.#current;
    // The kernel unlocks the whole area that such a move starts from, and with it the new place when the two merge: nothing to rely on.
    if (keep && oracle.range(start, pages).some((there) => there?.locked)) return;
    const flags = keep ? MOVE | mman.MREMAP_DONTUNMAP : MOVE;
    const result = sys_mremap(this.#cpu, start, pages, pages, flags, to);
    const overlap = start + pages > to && to + pages > start;
    if (oracle.pages.get(start) === undefined) assert.is(errnoName(result), 'EFAULT');
    else if (overlap) assert.is(errnoName(result), 'EINVAL');
    else {
      assert.is(result, to);
      oracle.move(start, pages, to, keep);
    }
  }

  #resize(start: number, pages: number, now: number, mayMove: boolean): void {
    const { oracle } = this.#current;
    const end = this.#areaEnd(start);
    const result = sys_mremap(this.#cpu, start, pages, now, mayMove ? mman.MREMAP_MAYMOVE : 0, 0);
    if (end < 0) assert.is(errnoName(result), 'EFAULT');
    else if (now <= pages) {
      assert.is(result, start);
      oracle.unmap(start + now, pages - now);
    } else if (start + pages > end) assert.is(errnoName(result), 'EFAULT');
    else {
      const last = oracle.pages.get(start + pages - 1);
      const room = start + pages === end && oracle.range(end, now - pages).every((there) => there === undefined);
      if (room) assert.is(result, start);
      else if (!mayMove) {
        assert.is(errnoName(result), 'ENOMEM');
        return;
      } else assert.ok(result > 0 && oracle.range(result, now).every((there) => there === undefined), 'a place that was free');
      if (last === undefined) throw new Error('the oracle has no page where the model has an area');
      if (result !== start) oracle.move(start, pages, result, false);
      for (let i = pages; i < now; i++) {
        const grown = { ...last, fileIndex: last.fileIndex < 0 ? -1 : last.fileIndex + (i - pages) + 1 };
        oracle.fresh(grown);
        oracle.pages.set(result + i, grown);
      }
    }
  }

  /** All areas up to the first locked one; holes are an error but do not stop it. */
  #discard(start: number, pages: number): void {
    const { oracle } = this.#current;
    const result = errnoName(sys_madvise(this.#cpu, start, pages, mman.MADV_DONTNEED));
    let expected = 'ok';
    for (const there of oracle.range(start, pages)) {
      if (there?.locked) {
        expected = 'EINVAL';
        break;
      }
      if (there === undefined) expected = 'ENOMEM';
      else if (!there.shared) oracle.fresh(there);
    }
    assert.is(result, expected);
  }

  #flag(start: number, pages: number, advice: string): void {
    const numbers: Readonly<Record<string, number>> = {
      wipe: mman.MADV_WIPEONFORK,
      keep: mman.MADV_KEEPONFORK,
      dontfork: mman.MADV_DONTFORK,
      dofork: mman.MADV_DOFORK,
      random: mman.MADV_RANDOM,
    };
    const result = errnoName(sys_madvise(this.#cpu, start, pages, numbers[advice] as number));
    let expected = 'ok';
    for (const there of this.#current.oracle.range(start, pages)) {
      if (there === undefined) expected = 'ENOMEM';
      else if (advice === 'wipe' && there.fileIndex >= 0) {
        expected = 'EINVAL';
        break;
      } else if (advice === 'wipe' || advice === 'keep') there.wipeonfork = advice === 'wipe';
      else if (advice !== 'random') there.dontfork = advice === 'dontfork';
    }
    assert.is(result, expected);
  }

  /** Anonymous pages only: locking pages of a file copies them, at a time that a program cannot rely on. */
  #lock(start: number, pages: number, locked: boolean): void {
    const range = this.#current.oracle.range(start, pages);
    if (range.some((there) => there !== undefined && there.fileIndex >= 0)) return;
    const result = errnoName(locked ? sys_mlock(this.#cpu, start, pages) : sys_munlock(this.#cpu, start, pages));
    const hole = range.indexOf(undefined);
    const inaccessible = locked && range.some((there) => there?.prot === 0);
    assert.is(result, hole >= 0 || inaccessible ? 'ENOMEM' : 'ok');
    for (const there of hole < 0 ? range : range.slice(0, hole)) if (there !== undefined) there.locked = locked;
  }
}

function check(policy: FaultPolicy, steps: readonly Op[]): void {
  withCpu({ policy, size: { tables: 128, traceEntries: 0 } }, (one) => {
    const file = createFile(one.cpu, FILE_PAGES);
    const both = new SideBySide(one, file);
    for (const step of steps) both.perform(step);
    both.finish();
    both.end();
    dropFilePages(one.cpu, file);
    freeFile(one.cpu, file);
  });
}

for (const policy of ALL_POLICIES) {
  test(`${policy.name}: a program sees the mappings, protections and contents that it may rely on`, () => {
    fc.assert(
      fc.property(fc.array(op, { size: 'medium', minLength: 5, maxLength: 70 }), (steps) => check(policy, steps)),
      { numRuns: 150 },
    );
  });
}

test.run();
