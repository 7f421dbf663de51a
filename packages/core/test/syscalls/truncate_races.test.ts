/**
 * Truncation, write-back and eviction against faults, on real threads with the race forced into its window, for both designs of the VMA lock. The disk
 * serves every request at its submission. steer() sweeps the machine at the end: nothing may lie beyond the end of a file (I16).
 */
import type { MappingId, Vpn } from '@faultlab/core/base/brand';
import { Prng } from '@faultlab/core/base/prng';
import { setupDevice } from '@faultlab/core/io/block_device';
import { blockStamp } from '@faultlab/core/io/device_contents';
import { CONTENTS_FILES } from '@faultlab/core/io/device_record';
import { closeFile } from '@faultlab/core/io/file';
import { createFile, FILE_DISK, FILE_RESIDENT, i_size, nrdirtyWord } from '@faultlab/core/mm/address_space';
import { MADV_DONTNEED, MAP_FIXED, MAP_PRIVATE, MAP_SHARED } from '@faultlab/core/mm/mman';
import { setSysctl, type VmSysctl } from '@faultlab/core/mm/vm_sysctl';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { policyByName } from '@faultlab/core/policy/policies';
import { sys_read } from '@faultlab/core/syscalls/file_rw';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';
import { sys_fsync } from '@faultlab/core/syscalls/msync';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { userRead } from '@faultlab/core/user/access';
import { assert, suite, type TestBody } from '@faultlab/test-support';
import { DISK } from '../fixtures/disk.ts';
import { DESIGNS, RW, X } from '../fixtures/scene.ts';
import { STEERED, type Stage, type Steered, type Step, steer } from '../fixtures/steer.ts';

const tests = suite('syscalls/truncate_races');
const race = (name: string, body: TestBody): void => tests(name, body, STEERED);

const PAGES = 8;
/** A private mapping of the same file. */
const PRIVATE = X + 0x400;

interface Scene {
  file: MappingId;
}

/** A file mapped shared and private, all its pages cached, the shared ones mapped. */
function setup(scene: Scene, kind: typeof FILE_DISK): (stage: Stage) => void {
  return ({ cpu, memory }) => {
    setupDevice(memory, DISK, { queueDepth: 8, contents: CONTENTS_FILES });
    scene.file = createFile(cpu, { pages: PAGES, kind, device: DISK });
    for (let index = 0; index < PAGES; index++) assert.is(sys_read(cpu, scene.file, index), 1);
    assert.is(sys_mmap(cpu, X, PAGES, RW, MAP_SHARED | MAP_FIXED, scene.file, 0), X);
    assert.is(sys_mmap(cpu, PRIVATE, PAGES, RW, MAP_PRIVATE | MAP_FIXED, scene.file, 0), PRIVATE);
    for (let page = 0; page < PAGES - 1; page++) assert.is(userRead(cpu, (X + page) as Vpn), 0);
  };
}

/** Ends the scene; the sweep has been made by then, or is made here. */
function end({ cpu }: Steered, { file }: Scene): void {
  sys_munmap(cpu, X, PAGES);
  sys_munmap(cpu, PRIVATE, PAGES);
  closeFile(cpu, file);
}

async function run(
  policy: FaultPolicy,
  kind: typeof FILE_DISK,
  threads: (scene: Scene) => readonly (readonly Step[])[],
  look: (steered: Steered, scene: Scene) => void,
  sysctl: Partial<VmSysctl> = {},
): Promise<void> {
  const scene: Scene = { file: 0 as MappingId };
  await steer({
    policy,
    size: { devices: 1, deviceRequests: 8, deviceBlocks: 64 },
    setup: (stage) => {
      setup(scene, kind)(stage);
      setSysctl(stage.memory, sysctl);
    },
    threads: () => threads(scene),
    after: (steered) => {
      look(steered, scene);
      end(steered, scene);
    },
  });
}

for (const policy of DESIGNS) {
  const name = policy.vmaLock;
  for (const [of, kind] of [
    ['a disk', FILE_DISK],
    ['memory', FILE_RESIDENT],
  ] as const) {
    race(`${name}: a private copy that a fault makes between the two unmappings of truncation goes, too (file in ${of})`, async () => {
      await run(
        policy,
        kind,
        ({ file }) => [
          // Has passed the test of the size and holds the page's lock.
          [
            ['stop', 'before_ptl'],
            ['write', PRIVATE + 7, 20],
          ],
          // Waits for that lock after its first unmapping.
          [
            ['reached', 0],
            ['truncate', file, 4],
          ],
          [
            ['asleep', 1],
            ['go', 0],
          ],
        ],
        ({ cpu, results }, { file }) => {
          assert.is(results[1]?.[0], 'ok');
          assert.ok(['ok', 'BUS_ADRERR'].includes(results[0]?.[0] as string));
          assert.is(i_size(cpu.memory, file), 4);
          assert.is(userRead(cpu, (PRIVATE + 7) as Vpn), 3);
        },
      );
    });
  }

  race(`${name}: a shared write finds its page truncated when the file is asked (R14, row 26)`, async () => {
    await run(
      policy,
      FILE_DISK,
      ({ file }) => [
        [
          ['stop', 'before_page_mkwrite'],
          ['write', X + 6, 20],
        ],
        [
          ['reached', 0],
          ['truncate', file, 4],
          ['go', 0],
        ],
      ],
      ({ results, counted }) => {
        assert.equal(results, [['BUS_ADRERR'], ['ok']]);
        assert.ok(counted.page_mkwrite >= 1);
      },
    );
  });

  race(`${name}: a shared write to a page that was punched out meanwhile goes to a new page of zeroes`, async () => {
    await run(
      policy,
      FILE_DISK,
      ({ file }) => [
        [
          ['stop', 'before_page_mkwrite'],
          ['write', X + 6, 20],
          ['read', X + 6],
        ],
        [
          ['reached', 0],
          ['punch', file, 5, 2],
          ['go', 0],
          ['read', X + 5],
        ],
      ],
      ({ cpu, results }, { file }) => {
        assert.equal(results, [
          ['ok', '20'],
          ['ok', '0'],
        ]);
        assert.is(sys_fsync(cpu, file), 0);
        assert.is(blockStamp(cpu, DISK, file, 6), 20);
      },
    );
  });

  race(`${name}: a CPU that has a writable translation faults again after write-back`, async () => {
    await run(
      policy,
      FILE_DISK,
      ({ file }) => [
        [
          ['write', X, 20],
          ['raise', 0],
          ['await', 1],
          ['write', X, 30],
        ],
        [
          ['await', 0],
          ['fsync', file],
          ['raise', 1],
        ],
      ],
      ({ cpu, results, counted }, { file }) => {
        assert.equal(results, [['ok', 'ok'], ['ok']]);
        assert.is(counted.page_mkwrite, 2);
        assert.is(cpu.words[nrdirtyWord(cpu.memory, file)], 1);
        assert.is(sys_fsync(cpu, file), 0);
        assert.is(blockStamp(cpu, DISK, file, 0), 30);
      },
    );
  });

  race(`${name}: a page that somebody waits for is not evicted`, async () => {
    await run(
      policy,
      FILE_DISK,
      ({ file }) => [
        [
          ['madvise', X + 7, 1, MADV_DONTNEED],
          ['stop', 'before_refcount_freeze'],
          ['evict', file],
        ],
        [
          ['reached', 0],
          ['read', X + 7],
        ],
        [
          ['asleep', 1],
          ['go', 0],
        ],
      ],
      ({ results }) => assert.equal(results[0], ['ok', '0']),
    );
  });
}

/** Everything that changes a file or a mapping of it, at random. */
function randomSteps(prng: Prng, file: MappingId, count: number): Step[] {
  const page = (): number => (prng.chance(1, 2) ? X : PRIVATE) + prng.below(PAGES);
  const makers: readonly (() => Step)[] = [
    () => ['read', page()],
    () => ['read', page()],
    () => ['write', page(), prng.between(1, 1000)],
    () => ['write', page(), prng.between(1, 1000)],
    () => ['write', X + prng.below(PAGES), prng.between(1, 1000)],
    () => ['truncate', file, prng.between(1, PAGES)],
    () => ['truncate', file, PAGES],
    () => ['punch', file, prng.below(PAGES), 2],
    () => ['fsync', file],
    () => ['evict', file],
    () => ['fread', file, prng.below(PAGES)],
    () => ['fwrite', file, prng.below(PAGES), prng.between(1, 1000)],
    () => ['madvise', page(), 1, MADV_DONTNEED],
    () => ['mprotect', prng.chance(1, 2) ? X : PRIVATE, PAGES, prng.chance(1, 3) ? 1 : RW],
  ];
  return Array.from({ length: count }, () => (makers[prng.below(makers.length)] as () => Step)());
}

const ROUNDS = 250;
/** Pages that may be dirty before the writers are throttled. */
const LIMIT = 3;

for (const policy of [...DESIGNS, policyByName('linux-5.7'), policyByName('hold')]) {
  race(
    `${policy.name}: three CPUs change a file and its mappings at random and are throttled, a fourth writes back; it adds up`,
    async () => {
      await run(
        policy,
        FILE_DISK,
        ({ file }) => [
          ...[0, 1, 2].map((id): Step[] => [...randomSteps(new Prng(7, id), file, ROUNDS), ['raise', id]]),
          [['write back until', 3]],
        ],
        ({ cpu, results, counted }, { file }) => {
          assert.equal(
            results.map((result) => result.length),
            [ROUNDS, ROUNDS, ROUNDS, 1],
          );
          assert.ok(counted.nr_written > 0);
          assert.is(sys_fsync(cpu, file), 0);
          for (let index = 0; index < i_size(cpu.memory, file); index++) {
            assert.is(sys_read(cpu, file, index), 1);
            assert.is(blockStamp(cpu, DISK, file, index), cpu.value);
          }
        },
        { dirtyThresh: LIMIT, dirtyBackground: 1 },
      );
    },
  );
}

tests.run();
