// Chromium is the system's own: what a test tool would download for itself is not reachable from everywhere.
import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';

const places = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** The program: $CHROMIUM, or where distributions put it. */
export function program() {
  const found = [process.env.CHROMIUM, ...places].find((path) => path && existsSync(path));
  if (!found) throw new Error('no Chromium found: install it (Debian: apt-get install chromium), or set CHROMIUM to its path');
  return found;
}

/** A headless browser that asks nobody but the server under test. */
export function launch() {
  return chromium.launch({
    executablePath: program(),
    args: [
      '--no-sandbox', // in containers there is no user namespace to build it from
      '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
      '--disable-sync', '--disable-dev-shm-usage', '--font-render-hinting=none',
    ],
  });
}
