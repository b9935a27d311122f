// What is at the edges: nothing, next to nothing, too much of everything, and clocks elsewhere.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { launch } from './lib/chromium.mjs';
import * as corpus from './lib/corpus.mjs';
import { axe, phone, tab } from './lib/page.mjs';
import { picture } from './lib/picture.mjs';
import { Service, scratch } from './lib/service.mjs';
import { drawn, faults, places, tooWide } from './lib/settle.mjs';

const long = process.env.LONG ? {} : { skip: 'takes long: LONG=1 runs it' };
let browser;

before(async () => (browser = await launch()));
after(() => browser?.close());

/** A service on transcripts of its own, around the tests of a describe. */
function following(make, env = {}) {
  const it = {};
  before(async () => {
    it.folder = await scratch();
    it.transcripts = join(it.folder.dir, 'projects');
    await corpus.empty(it.transcripts);
    it.made = await make(it.transcripts);
    it.service = await new Service({ data: join(it.folder.dir, 'data'), transcripts: it.transcripts, env }).start();
    if (it.made) await it.service.settled(300);
  });
  after(async () => {
    await it.service?.stop();
    await it.folder?.remove();
  });
  return it;
}

/** Opens pages in turn and looks for faults; each is also seen in the pictures if those are wanted. */
async function look(it, name, paths, { options = {}, each = async () => {} } = {}) {
  const t = await tab(browser, it.service.url, options);
  try {
    for (const path of paths) {
      await t.go(path);
      await drawn(t.page, { panels: path.startsWith('/sessions') ? 1 : 2 });
      if (process.env.ODD_PICTURES) await picture(t.page, process.env.ODD_PICTURES, `odd-${name}-${paths.indexOf(path)}`, { whole: true });
      assert.deepEqual(await faults(t.page), [], path);
      assert.deepEqual(await tooWide(t.page), [], path);
      await each(t.page, path);
    }
    assert.deepEqual(await t.violations(), []);
    assert.deepEqual(t.seen.errors, []);
    assert.deepEqual(t.seen.foreign, []);
    assert.deepEqual(t.seen.failed, []);
  } finally {
    await t.close();
  }
}

const all = places.map((place) => place.path);

describe('an empty warehouse', () => {
  const it = following(async () => undefined);
  test('says that there is no data, what to do, and shows the first document when it comes', async () => {
    const t = await tab(browser, it.service.url);
    try {
      await t.go('/');
      await t.page.waitForSelector('[data-link=live]');
      await t.page.getByText(/No data yet|Not yet/).first().waitFor();
      for (const path of all) {
        await t.go(path);
        await t.page.waitForSelector('[data-link=live]');
        await t.page.waitForFunction(() => !document.querySelector('main .skeleton'));
        assert.deepEqual(await faults(t.page), [], path);
        assert.doesNotMatch(await t.page.locator('main').textContent(), /NaN|undefined|Infinity|\[object/, path);
        if (process.env.ODD_PICTURES) await picture(t.page, process.env.ODD_PICTURES, `odd-empty-${all.indexOf(path)}`, { whole: true });
      }
      await t.go('/');
      const one = await corpus.one(it.transcripts);
      await t.page.locator('[data-panel=sessions_running] a', { hasText: 'is anybody there?' }).waitFor({ timeout: 60_000 });
      await look(it, 'one', [...all, `/sessions/${one.id}`], { each: async (page, path) => assert.doesNotMatch(await page.locator('main').textContent(), /NaN|undefined|Infinity|\[object/, path) });
    } finally {
      await t.close();
    }
  });
});

describe('markup, emoji, long names and words, decades', () => {
  const it = following(corpus.odd);
  const ran = async (page, path) => assert.equal(await page.evaluate(() => window.__ran), undefined, `${path} ran what a prompt said`);

  test('on every page, over all time', () => look(it, 'all', all.map((path) => `${path}?range=all`), { each: ran }));
  test('markup is text on its session’s page', () => look(it, 'html', [`/sessions/${it.made.html.id}`], {
    each: async (page, path) => {
      await ran(page, path);
      assert.ok((await page.locator('main').textContent()).includes('<script>window.__ran'), 'the prompt is not shown as it was written');
      assert.equal(await page.locator('main img').count(), 0);
    },
  }));
  test('the others’ pages', () => look(it, 'sessions', ['emoji', 'words', 'decades'].map((name) => `/sessions/${it.made[name].id}`), { each: ran }));
  test('what is dated years ahead is neither now nor the last data, and is there when its day is asked for', () => look(it, 'ahead', ['/', '/sessions?from=2038-01-19&to=2038-01-19'], {
    each: async (page, path) => {
      if (path !== '/') return page.locator('[data-panel=sessions] tbody').getByText('an old one').waitFor();
      assert.match(await page.locator('[data-panel=sessions_running]').textContent(), /WWWW/);
      await page.keyboard.press('l');
      await page.waitForURL(/at=last/);
      await drawn(page);
      assert.doesNotMatch(await page.locator('.note-days').textContent(), /2038/);
    },
  }));
  test('on a phone too', () => look(it, 'phone', [...all.map((path) => `${path}?range=all`), `/sessions/${it.made.emoji.id}`, `/sessions/${it.made.words.id}`], { options: { viewport: phone } }));
  test('and for who cannot see it', async () => {
    const t = await tab(browser, it.service.url, { reduced: 'reduce' });
    try {
      await t.go('/?range=all');
      await drawn(t.page);
      assert.deepEqual(await axe(t.page), []);
    } finally {
      await t.close();
    }
  });
});

describe('a report zone far from the reader’s', () => {
  // 14:30 UTC is the next day on Kiritimati and the same one in Honolulu, where the reader sits.
  const it = following((root) => new corpus.Session('zones', { at: new Date('2026-03-10T14:30:00Z') }).prompt('which day is it').say('it depends').write(root), { REPORT_TZ: 'Pacific/Kiritimati' });
  test('days are the report’s, and the page says so', () => look(it, 'zones', ['/?range=all', '/sessions?range=all', `/?from=2026-03-11&to=2026-03-11`], {
    options: { zone: 'Pacific/Honolulu' },
    each: async (page, path) => {
      await page.getByText('Pacific/Kiritimati').first().waitFor({ state: 'attached' });
      if (path.startsWith('/?from')) assert.match(await page.locator('[data-panel=overview_totals]').textContent(), /Sessions1/);
    },
  }));
});

describe('a session of 50,000 lines', long, () => {
  const it = following((root) => corpus.long(root, process.env.LONG ? 50_000 : 0));
  test('opens at once, scrolls to both ends, and keeps few elements', () => look(it, 'long', [`/sessions/${it.made.id}`], {
    each: async (page) => {
      await page.getByText('step 0: go on with the next part').first().waitFor();
      for (let n = 0; n < 30; n++) await page.mouse.wheel(0, 4000);
      await page.getByRole('button', { name: /Jump to newest/ }).click();
      await page.getByText(it.made.last).first().waitFor();
      await drawn(page);
      // 50,000 lines as elements would be several hundred thousand.
      const elements = await page.evaluate(() => document.querySelectorAll('*').length);
      assert.ok(elements < 15_000, `${elements} elements`);
    },
  }));
});
