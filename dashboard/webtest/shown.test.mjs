// Each page with data: that it renders, that it is calm, accessible, and asks nobody else; and that its controls work.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launch } from './lib/chromium.mjs';
import { axe, phone, tab } from './lib/page.mjs';
import { recent } from './lib/recent.mjs';
import { Service, scratch } from './lib/service.mjs';
import { drawn, faults, places, tooWide } from './lib/settle.mjs';

let browser, service, folder, longest;

before(async () => {
  folder = await scratch();
  const transcripts = join(folder.dir, 'projects');
  await recent(transcripts, 24);
  service = await new Service({ data: join(folder.dir, 'data'), transcripts }).start();
  await service.settled();
  [longest] = await service.rows('dim_sessions', '&order=-message_count');
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await service?.stop();
  await folder?.remove();
});

const session = () => ({ name: 'Session', path: `/sessions/${longest.session_id}`, panels: 1 });
const all = [...places, { name: 'Session', path: '' }];
const of = (place) => (place.path ? place : session());

for (const entry of all) {
  test(`${entry.name} renders, without an error, a shift, a violation or a foreign request`, async () => {
    const place = of(entry);
    const t = await tab(browser, service.url);
    try {
      await t.go(place.path);
      await drawn(t.page, place);
      assert.deepEqual(await faults(t.page), []);
      assert.match(await t.page.title(), /claude-analytics/);
      const shown = await t.page.$$eval('main [data-panel]', (panels) => panels.map((p) => ({ name: p.dataset.panel, text: p.querySelector('.body')?.textContent ?? '', marks: p.querySelectorAll('svg *, canvas, td, li').length })));
      assert.ok(shown.length >= place.panels, `only ${shown.map((p) => p.name)} are shown`);
      assert.ok(shown.some((p) => /\d/.test(p.text) || p.marks > 5), 'no panel shows anything');
      await t.page.waitForTimeout(1500); // events come meanwhile
      assert.deepEqual(await t.shifts(), []);
      assert.deepEqual(await t.violations(), []);
      assert.deepEqual(t.seen.foreign, []);
      assert.deepEqual(t.seen.failed, []);
      assert.deepEqual(t.seen.errors, []);
    } finally {
      await t.close();
    }
  });

  test(`${entry.name}: axe finds nothing serious, in light and dark; a phone need not scroll sideways`, async () => {
    const place = of(entry);
    const t = await tab(browser, service.url, { reduced: 'reduce' });
    try {
      await t.go(place.path);
      await drawn(t.page, place);
      for (const colorScheme of ['light', 'dark']) {
        await t.page.emulateMedia({ colorScheme });
        assert.deepEqual(await axe(t.page), [], colorScheme);
      }
      await t.page.setViewportSize(phone);
      await t.page.reload();
      await drawn(t.page, place);
      assert.deepEqual(await tooWide(t.page), []);
      assert.deepEqual(await axe(t.page), [], 'phone');
    } finally {
      await t.close();
    }
  });
}

/** A tab that is closed at the end, and must not have seen an error. */
async function using(path, work, options) {
  const t = await tab(browser, service.url, options);
  try {
    await t.go(path);
    await drawn(t.page);
    await work(t.page, t);
    assert.deepEqual(t.seen.errors, []);
    assert.deepEqual(await t.violations(), []);
  } finally {
    await t.close();
  }
}

const params = (page) => new URL(page.url()).searchParams;
const key = (page, name) => page.locator('[data-panel=overview_totals] a, [data-panel=overview_totals] .figure').filter({ hasText: name }).first();

test('a project is chosen, stands in the URL, survives a reload and another page, and goes with Back', () => using('/', async (page) => {
  const before = await key(page, 'Sessions').textContent();
  await page.getByRole('button', { name: /^Project / }).click();
  const option = page.locator('.choices .scroll button').first();
  const name = await option.locator('span').first().textContent();
  await option.click();
  await page.waitForURL(/project=/);
  const chosen = params(page).get('project');
  await page.waitForFunction(({ before }) => ![...document.querySelectorAll('[data-panel=overview_totals] *')].some((e) => e.textContent === before), { before });
  await drawn(page);
  await page.reload();
  await drawn(page);
  assert.equal(params(page).get('project'), chosen);
  await page.getByRole('button', { name: `Project ${name}` }).waitFor();
  await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Cost' }).click();
  await page.waitForURL(/\/cost\?.*project=/);
  await page.goBack();
  await page.goBack();
  await page.waitForURL((url) => !url.searchParams.has('project'));
  await page.getByRole('button', { name: /^Project All projects/ }).waitFor();
}));

test('days: a preset, days of one’s own, the period before, and figures that are those of the API', () => using('/', async (page) => {
  await page.getByRole('button', { name: /^Days / }).click();
  await page.getByRole('button', { name: 'All time' }).click();
  await page.waitForURL(/range=all/);
  await drawn(page);
  const { rows, columns } = await service.get('/api/v1/panels/overview_totals?from=2000-01-01&to=2100-01-01');
  const sessions = rows[0][columns.findIndex((c) => c.name === 'sessions')];
  await page.waitForFunction((n) => document.querySelector('[data-panel=overview_totals]')?.textContent.includes(n), `Sessions${sessions}`);
  await page.keyboard.press('[');
  await page.waitForURL(/from=.*to=/);
  await page.goBack();
  await page.waitForURL(/range=all/);
}));

test('a page about days long ago says so and goes to the data', () => using('/?from=2019-01-01&to=2019-01-31', async (page) => {
  await page.getByRole('link', { name: /jump to the last/ }).first().click();
  await page.waitForURL(/at=last/);
  // The figures of the days before may stand there a moment longer.
  await page.locator('[data-panel=overview_totals]').filter({ hasText: /Sessions[1-9]/ }).waitFor();
}));

test('marks lead on: a key figure, a ranked tool, a session', () => using('/?range=all', async (page) => {
  await page.locator('[data-panel=tool_errors] a[href*="tool="]').first().click();
  await page.waitForURL(/\/tools\?.*tool=/);
  await drawn(page);
  assert.deepEqual(await faults(page), []);
  await page.goBack();
  await drawn(page);
  await page.locator('[data-panel=top_sessions] tbody a').first().click();
  await page.waitForURL(/\/sessions\//);
  await drawn(page);
  assert.deepEqual(await faults(page), []);
}));

test('the palette finds a page by keyboard and a session by its title', () => using('/', async (page) => {
  await page.keyboard.press('Control+k');
  const box = page.getByRole('combobox');
  await box.fill('pipel');
  await page.getByRole('option', { name: /Pipeline/ }).waitFor();
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/pipeline/);
  await page.keyboard.press('/');
  const title = longest.title.slice(0, 30).trim();
  await box.fill(title);
  const found = page.getByRole('option').filter({ hasText: 'Session' }).filter({ hasText: title.slice(0, 15) }).first();
  await found.click();
  await page.waitForURL(/\/sessions\//);
}));

test('Enter in the palette means what was typed, be it drawn or not', () => using('/', async (page) => {
  await page.keyboard.press('Control+k');
  await page.getByRole('option', { name: /Pipeline/ }).waitFor();
  await page.getByRole('combobox').evaluate((box) => { // in one task, so that no frame comes between
    box.value = 'pipel';
    box.dispatchEvent(new InputEvent('input', { bubbles: true }));
    box.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true }));
  });
  await page.waitForURL(/\/pipeline/);
}));

test('a dialog that was just closed opens again, be the closing drawn or not', () => using('/', async (page) => {
  for (const [key, name] of [['/', /^Search/], ['?', /^Keys/]]) {
    await page.keyboard.press(key);
    const dialog = page.getByRole('dialog', { name });
    await dialog.waitFor();
    await dialog.evaluate((d, key) => new Promise((done) => {
      // After the dialog's own close event, and before the frame in which it would go: what had the focus has it still.
      const field = d.querySelector('input, button');
      d.addEventListener('close', () => {
        field.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));
        requestAnimationFrame(() => requestAnimationFrame(done));
      });
      d.close();
    }), key);
    await dialog.waitFor();
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'hidden' });
  }
}));

test('keys: go to a page, help, colours; Escape closes', () => using('/', async (page) => {
  await page.keyboard.press('g');
  await page.keyboard.press('t');
  await page.waitForURL(/\/tools/);
  await page.keyboard.press('?');
  await page.getByRole('dialog', { name: 'Keys and help' }).waitFor();
  assert.deepEqual(await axe(page), []);
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'hidden' });
}));

test('a panel gives its SQL, its models and its numbers as CSV', () => using('/', async (page) => {
  const panel = page.locator('[data-panel=top_sessions]');
  await panel.getByRole('button', { name: /^More on/ }).click();
  await panel.getByText('marts.fct_api_requests').first().waitFor();
  assert.match(await panel.getByLabel('SQL', { exact: true }).textContent(), /SELECT[\s\S]+FROM/);
  const saved = page.waitForEvent('download');
  await panel.getByRole('button', { name: 'Save as CSV' }).click();
  const file = await (await saved).createReadStream();
  let text = '';
  for await (const part of file) text += part;
  assert.match(text, /^session_id,title,/);
}));
