// A tab that keeps a record of all that a page must not do: errors, requests to others, blocked content, shifts.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export const desktop = { width: 1360, height: 900 };
export const phone = { width: 390, height: 844 };

// Runs in the page before anything of its own.
function record() {
  window.__record = { shifts: [], violations: [] };
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      if (entry.hadRecentInput) continue; // what a person asked for may move things
      const where = entry.sources.map(({ node }) => {
        const element = node?.nodeType === 1 ? node : node?.parentElement;
        return element ? `${element.tagName.toLowerCase()}.${element.className?.baseVal ?? element.className} “${element.textContent.slice(0, 40)}”` : 'gone';
      });
      window.__record.shifts.push({ value: entry.value, where });
    }
  }).observe({ type: 'layout-shift', buffered: true });
  addEventListener('securitypolicyviolation', (event) => {
    window.__record.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
  });
}

/** Opens a tab in a context of its own and returns it with its record. */
export async function tab(browser, base, { theme = 'light', viewport = desktop, zone = 'UTC', locale = 'en-GB', reduced = 'no-preference', touch = false } = {}) {
  const context = await browser.newContext({ viewport, colorScheme: theme, timezoneId: zone, locale, reducedMotion: reduced, hasTouch: touch });
  await context.addInitScript(record);
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const seen = { errors: [], foreign: [], failed: [], requests: [] };
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) seen.errors.push(`${message.type()}: ${message.text()} (${message.location().url})`);
  });
  page.on('pageerror', (error) => seen.errors.push(String(error.stack ?? error)));
  page.on('request', (request) => {
    seen.requests.push(request.url());
    if (!request.url().startsWith(base + '/') && !/^(data|blob):/.test(request.url())) seen.foreign.push(request.url());
  });
  page.on('response', (response) => {
    if (response.status() >= 400) seen.failed.push(`${response.status()} ${response.url()}`);
  });
  return {
    page, seen, context,
    go: (hash) => page.goto(base + hash, { waitUntil: 'load' }),
    // Shifts, if together they are more than 0.00, the digits that the measure is given in: a figure that stands at the
    // right grows to the left, which counts as some millionths.
    shifts: () => page.evaluate(() => {
      const all = window.__record.shifts;
      return all.reduce((total, shift) => total + shift.value, 0) < 0.002 ? [] : all;
    }),
    violations: () => page.evaluate(() => window.__record.violations),
    close: () => context.close(),
  };
}

/** Faults that axe calls serious or critical, each on a line with the element. */
export async function axe(page) {
  await page.evaluate(`${axeSource};undefined`);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, impact, help, nodes }) => nodes.map((node) => `${impact} ${id}: ${help}: ${node.target.join(' ')} ${node.html.slice(0, 160)} ${node.any[0]?.message ?? ''}`));
}

/**
 * Tasks of the page's main thread during work(), by the processor time they took, longest first, in milliseconds.
 * Processor time, since on a busy machine the wall clock counts other processes' work as the page's.
 */
export async function tasks(browser, page, work) {
  await browser.startTracing(page, { categories: ['toplevel', 'devtools.timeline', 'disabled-by-default-devtools.timeline', '__metadata'] });
  let trace;
  try {
    await work();
  } finally {
    trace = JSON.parse(await browser.stopTracing());
  }
  const mains = new Set(trace.traceEvents.filter((e) => e.name === 'thread_name' && e.args.name === 'CrRendererMain').map((e) => `${e.pid}/${e.tid}`));
  const own = trace.traceEvents.filter((e) => e.ph === 'X' && mains.has(`${e.pid}/${e.tid}`));
  const runs = own.filter((e) => /RunTask$/.test(e.name)).map((e) => ({
    cpu: (e.tdur ?? 0) / 1000,
    wall: e.dur / 1000,
    what: [...new Set(own.filter((i) => i.pid === e.pid && i.tid === e.tid && i !== e && i.ts >= e.ts && i.ts + i.dur <= e.ts + e.dur && i.dur > 2000).map((i) => i.name))],
  }));
  return runs.sort((a, b) => b.cpu - a.cpu);
}
