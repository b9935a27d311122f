// When is a page done? When it has drawn what it asked for.

/** The places, and what each of them must at least show. */
export const places = [
  { name: 'Overview', path: '/', panels: 6 },
  { name: 'Tools', path: '/tools', panels: 3 },
  { name: 'Cost', path: '/cost', panels: 3 },
  { name: 'Sessions', path: '/sessions', panels: 1 },
  { name: 'Pipeline', path: '/pipeline', panels: 3 },
];

/** Waits until no panel is loading and the link is live. */
export async function drawn(page, { panels = 1 } = {}) {
  await page.waitForFunction((least) => {
    const all = document.querySelectorAll('main [data-panel]');
    return all.length >= least && !document.querySelector('main [aria-busy=true], main .skeleton, main .state.waiting');
  }, panels);
  await page.waitForSelector('[data-link=live]');
  await page.evaluate(() => document.fonts.ready);
}

/** What a page says went wrong, panel by panel. */
export const faults = (page) => page.$$eval('main .fault', (all) => all.map((one) => `${one.closest('[data-panel]')?.dataset.panel}: ${one.textContent}`));

/** What sticks out of the window to the right where nothing can be scrolled: how a page is too wide for a phone. */
export const tooWide = (page) => page.evaluate(() => {
  const width = document.documentElement.clientWidth;
  const scrolls = (one) => one && (/auto|scroll/.test(getComputedStyle(one).overflowX) || scrolls(one.parentElement));
  return [...document.querySelectorAll(document.documentElement.scrollWidth > width ? 'body *' : 'a, button, input, select, h1, h2, h3')]
    .filter((one) => one.getBoundingClientRect().right > width + 1 && !scrolls(one.parentElement))
    .slice(0, 5).map((one) => `${one.tagName.toLowerCase()}.${one.className} ${Math.round(one.getBoundingClientRect().right)} > ${width}`);
});
