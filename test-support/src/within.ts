/**
 * Gives a promise a deadline.
 * Next: suite.ts and run_threads.ts, which put every wait under one.
 */

/**
 * Settles as `promise` does, or rejects with an Error when it has not settled after `deadlineMs` milliseconds.
 * `what` names the thing waited for; a function is asked at the deadline, when it can tell what is still missing.
 */
export async function within<T>(deadlineMs: number, what: string | (() => string), promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`deadline: ${typeof what === 'string' ? what : what()} not finished after ${deadlineMs} ms`));
    }, deadlineMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
