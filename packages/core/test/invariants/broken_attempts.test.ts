/** What a single attempt at a fault must keep to: each rule is broken here, and caught at once. */
import type { VmaId, Vpn } from '@faultlab/core/base/brand';
import { beginAttempt, endDropped } from '@faultlab/core/fault/attempt_checks';
import { release_fault_lock } from '@faultlab/core/fault/fault_lock';
import { handle_mm_fault } from '@faultlab/core/fault/handle_mm_fault';
import * as vmFault from '@faultlab/core/fault/vm_fault';
import { mmap_read_lock, mmap_read_trylock, mmap_read_unlock } from '@faultlab/core/mm/mmap_lock';
import { vm_end, vm_file, vm_flags } from '@faultlab/core/mm/vm_area_struct';
import { lock_vma_under_rcu, vma_end_read } from '@faultlab/core/mm/vma_lock';
import { userWrite } from '@faultlab/core/user/access';
import { assert, suite } from '@faultlab/test-support';
import { breaksIn } from './breaks.ts';
import { areaAt, RW, type World, world } from './world.ts';

const test = suite('invariants/broken_attempts');
const breaks = breaksIn(test);

const home = (w: World): VmaId => areaAt(w, w.parent, RW);
/** A page of the first area that has no entry yet. */
const FRESH = (RW + 20) as Vpn;

/** A fault on the first area that drops its VMA lock. @returns the area, which it remembers */
function droppedFault(w: World): VmaId {
  const vma = lock_vma_under_rcu(w.cpu, w.parent, RW);
  release_fault_lock(w.cpu, new vmFault.VmFault(vma, RW, vmFault.FAULT_FLAG_USER | vmFault.FAULT_FLAG_VMA_LOCK, 0));
  return vma;
}
breaks('I10', 'a fault asks its attempt for the area after it dropped the lock', /an area is used after its lock was dropped/, (w) => {
  const vma = lock_vma_under_rcu(w.cpu, w.parent, RW);
  const vmf = new vmFault.VmFault(vma, RW, vmFault.FAULT_FLAG_USER | vmFault.FAULT_FLAG_VMA_LOCK, 0);
  release_fault_lock(w.cpu, vmf);
  vmFault.liveVma(vmf);
});
for (const [what, read] of [
  ['flags', (w: World, vma: VmaId) => vm_flags(w.cpu.memory, vma)],
  ['file', (w: World, vma: VmaId) => vm_file(w.cpu.memory, vma)],
  ['bounds', (w: World, vma: VmaId) => vm_end(w.cpu.memory, vma)],
] as const) {
  breaks(
    'I10',
    `a fault that remembered the area reads its ${what} after it dropped the lock`,
    /the record of an area is read after/,
    (w) => {
      read(w, droppedFault(w));
    },
  );
}
test('I10: what was revoked may be read under mmap_lock, under its own lock taken anew, by other CPUs, and by the next fault', () => {
  const w = world();
  const vma = droppedFault(w);
  const flags = vm_flags(w.m, vma);
  assert.is(vm_flags(w.cpus[1].memory, vma), flags);
  mmap_read_lock(w.cpu, w.parent);
  assert.is(vm_flags(w.cpu.memory, vma), flags);
  mmap_read_unlock(w.cpu, w.parent);
  assert.is(lock_vma_under_rcu(w.cpu, w.parent, RW), vma);
  assert.is(vm_flags(w.cpu.memory, vma), flags);
  vma_end_read(w.cpu, vma);
  assert.throws(() => vm_flags(w.cpu.memory, vma), /is read after the lock of the fault was dropped/);
  assert.is(vm_flags(w.cpu.memory, areaAt(w, w.child, RW)), flags);
  assert.is(userWrite(w.cpu, FRESH, 1), 0);
  assert.is(vm_flags(w.cpu.memory, vma), flags);
});
breaks('I09', 'an attempt says that it dropped its lock, and took it again', /an attempt that has dropped its lock holds it/, (w) => {
  const vma = lock_vma_under_rcu(w.cpu, w.parent, RW);
  const vmf = new vmFault.VmFault(vma, RW, vmFault.FAULT_FLAG_DEFAULT | vmFault.FAULT_FLAG_USER | vmFault.FAULT_FLAG_VMA_LOCK, 0);
  const seen = beginAttempt(w.cpu, vmf);
  release_fault_lock(w.cpu, vmf);
  lock_vma_under_rcu(w.cpu, w.parent, RW);
  endDropped(w.cpu, vmf, seen);
});
breaks('I14', 'an attempt under the VMA lock holds mmap_lock too', /a VMA-lock attempt holds mmap_lock/, (w) => {
  const vma = lock_vma_under_rcu(w.cpu, w.parent, RW);
  mmap_read_trylock(w.cpu, w.parent);
  handle_mm_fault(w.cpu, vma, RW, vmFault.FAULT_FLAG_DEFAULT | vmFault.FAULT_FLAG_USER | vmFault.FAULT_FLAG_VMA_LOCK);
});
breaks('I14', "an attempt under the VMA lock holds another address space's mmap_lock", /a VMA-lock attempt holds mmap_lock/, (w) => {
  const vma = lock_vma_under_rcu(w.cpu, w.parent, RW);
  mmap_read_trylock(w.cpu, w.child);
  handle_mm_fault(w.cpu, vma, RW, vmFault.FAULT_FLAG_DEFAULT | vmFault.FAULT_FLAG_USER | vmFault.FAULT_FLAG_VMA_LOCK);
});
breaks('I14', 'an attempt under the VMA lock is not for a user', /not for a user access/, () =>
  vmFault.checkFaultFlags(vmFault.FAULT_FLAG_DEFAULT | vmFault.FAULT_FLAG_VMA_LOCK),
);

// --- flags and results --------------------------------------------------------------------------------------------------------------------
const {
  FAULT_FLAG_ALLOW_RETRY,
  FAULT_FLAG_RETRY_NOWAIT,
  FAULT_FLAG_TRIED,
  FAULT_FLAG_UNSHARE,
  FAULT_FLAG_USER,
  FAULT_FLAG_VMA_LOCK,
  FAULT_FLAG_WRITE,
} = vmFault;
const FLAGS: readonly (readonly [string, number, RegExp])[] = [
  ['a later attempt without a retry', FAULT_FLAG_TRIED, /TRIED without ALLOW_RETRY/],
  ['no waiting without a retry', FAULT_FLAG_RETRY_NOWAIT, /RETRY_NOWAIT without ALLOW_RETRY/],
  [
    'no waiting under the VMA lock',
    FAULT_FLAG_ALLOW_RETRY | FAULT_FLAG_RETRY_NOWAIT | FAULT_FLAG_USER | FAULT_FLAG_VMA_LOCK,
    /VMA_LOCK with RETRY_NOWAIT/,
  ],
  ['unsharing and writing', FAULT_FLAG_UNSHARE | FAULT_FLAG_WRITE, /UNSHARE with WRITE/],
];
for (const [what, flags, message] of FLAGS) {
  breaks('I12', what, message, (w) => {
    mmap_read_lock(w.cpu, w.parent);
    handle_mm_fault(w.cpu, home(w), RW, flags);
  });
}
const { VM_FAULT_COMPLETED, VM_FAULT_FALLBACK, VM_FAULT_NEEDDSYNC, VM_FAULT_OOM, VM_FAULT_RETRY, VM_FAULT_RETRY_VMA, VM_FAULT_SIGBUS } =
  vmFault;
const LATER_VMA = FAULT_FLAG_ALLOW_RETRY | FAULT_FLAG_TRIED | FAULT_FLAG_USER | FAULT_FLAG_VMA_LOCK;
const RESULTS: readonly (readonly [string, number, number, RegExp])[] = [
  ['finished and to be repeated', FAULT_FLAG_ALLOW_RETRY, VM_FAULT_RETRY | VM_FAULT_COMPLETED, /RETRY and COMPLETED together/],
  ['an error and to be repeated', FAULT_FLAG_ALLOW_RETRY, VM_FAULT_RETRY | VM_FAULT_OOM, /together with an error/],
  ['an error and finished', FAULT_FLAG_ALLOW_RETRY, VM_FAULT_COMPLETED | VM_FAULT_SIGBUS, /together with an error/],
  ['a retry that was not allowed', 0, VM_FAULT_RETRY, /although ALLOW_RETRY was clear/],
  ['a dropped lock that was not allowed', 0, VM_FAULT_COMPLETED, /although ALLOW_RETRY was clear/],
  ['a later attempt that asks for the VMA lock', LATER_VMA, VM_FAULT_RETRY | VM_FAULT_RETRY_VMA, /RETRY_VMA from a later attempt/],
  [
    'a dropped lock where nobody waits',
    FAULT_FLAG_ALLOW_RETRY | vmFault.FAULT_FLAG_RETRY_NOWAIT,
    VM_FAULT_COMPLETED,
    /although RETRY_NOWAIT was set/,
  ],
  ['a later attempt that drops the lock', FAULT_FLAG_ALLOW_RETRY | FAULT_FLAG_TRIED, VM_FAULT_COMPLETED, /COMPLETED on a later attempt/],
  ['a huge page that fell back', FAULT_FLAG_ALLOW_RETRY, VM_FAULT_FALLBACK, /an internal result bit|together with an error/],
  ['a file that wants a sync', FAULT_FLAG_ALLOW_RETRY, VM_FAULT_NEEDDSYNC, /an internal result bit/],
];
for (const [what, flags, result, message] of RESULTS) breaks('I13', what, message, () => vmFault.checkFaultResult(flags, result));

test.run();
