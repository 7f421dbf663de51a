/**
 * Error numbers of the modelled system calls, as negative numbers, with the kernel's names and values.
 * @kernel include/uapi/asm-generic/errno-base.h
 * @fidelity faithful for the numbers listed
 */
export const EPERM = -1;
export const ENOENT = -2;
export const ESRCH = -3;
export const EINTR = -4;
export const EIO = -5;
export const EAGAIN = -11;
export const ENOMEM = -12;
export const EACCES = -13;
export const EFAULT = -14;
export const EBUSY = -16;
export const EEXIST = -17;
export const EINVAL = -22;
export const ENODEV = -19;
export const EHWPOISON = -133;
export const ENOSPC = -28;
export const ENOSYS = -38;
export const EOVERFLOW = -75;

const NAMES: ReadonlyMap<number, string> = new Map([
  [EPERM, 'EPERM'],
  [ESRCH, 'ESRCH'],
  [EINTR, 'EINTR'],
  [EIO, 'EIO'],
  [EAGAIN, 'EAGAIN'],
  [ENOMEM, 'ENOMEM'],
  [EACCES, 'EACCES'],
  [EFAULT, 'EFAULT'],
  [EBUSY, 'EBUSY'],
  [EEXIST, 'EEXIST'],
  [EINVAL, 'EINVAL'],
  [ENODEV, 'ENODEV'],
  [EHWPOISON, 'EHWPOISON'],
  [ENOENT, 'ENOENT'],
  [ENOSPC, 'ENOSPC'],
  [ENOSYS, 'ENOSYS'],
  [EOVERFLOW, 'EOVERFLOW'],
]);

/** "ok" for 0 or more, otherwise the name of the errno. */
export function errnoName(result: number): string {
  if (result >= 0) return 'ok';
  return NAMES.get(result) ?? `errno ${-result}`;
}
