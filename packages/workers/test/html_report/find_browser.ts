/** Where this machine has a Chromium: the one that FAULTLAB_CHROMIUM names, or one where packages put it. */
import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'] as const;

/** Undefined: there is none. */
export function findBrowser(): string | undefined {
  const named = process.env['FAULTLAB_CHROMIUM'];
  return [...(named === undefined ? [] : [named]), ...PLACES].find((path) => existsSync(path));
}

export const NO_BROWSER: string =
  'The report is not tested in a browser: there is none; install one (apt-get install chromium), or name it with FAULTLAB_CHROMIUM.';

/** As root, Chromium has no sandbox. */
const BROWSER_FLAGS: readonly string[] = ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'];

/** For scripts outside this package, which do not see its dependencies. */
export const launch = (executablePath: string): Promise<Browser> => chromium.launch({ executablePath, args: [...BROWSER_FLAGS] });
