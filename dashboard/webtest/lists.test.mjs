// Lists that are longer than a page, and than what one answer holds: all of it can be reached, and nothing is taken for all.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launch } from './lib/chromium.mjs';
import * as corpus from './lib/corpus.mjs';
import { axe, tab } from './lib/page.mjs';
import { Service, eventually, scratch } from './lib/service.mjs';
import { drawn, faults } from './lib/settle.mjs';

let browser, service, folder, made;

before(async () => {
  folder = await scratch();
  const transcripts = join(folder.dir, 'projects');
  made = await corpus.many(transcripts);
  service = await new Service({ data: join(folder.dir, 'data'), transcripts, env: { REPORT_TZ: 'Pacific/Auckland' } }).start();
  await service.settled(300);
  await eventually('the dead letters', async () => (await service.get('/api/v1/dead-letters?limit=1')).total === 156);
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await service?.stop();
  await folder?.remove();
});

async function using(path, work, options) {
  const t = await tab(browser, service.url, options);
  try {
    await t.go(path);
    await drawn(t.page);
    await work(t.page, t);
    assert.deepEqual(await faults(t.page), []);
    assert.deepEqual(t.seen.errors, []);
    assert.deepEqual(t.seen.failed, []);
  } finally {
    await t.close();
  }
}

const params = (page) => new URL(page.url()).searchParams;
const list = (page) => page.getByRole('region', { name: 'Sessions', exact: true });
const foot = (page, name) => page.getByRole('navigation', { name: `Pages of ${name}` });
const firstTitle = (page, text) => list(page).locator('tbody tr').first().filter({ hasText: text }).waitFor();

async function saved(page, panel) {
  await panel.getByRole('button', { name: /^More on/ }).click();
  const download = page.waitForEvent('download');
  await panel.getByRole('button', { name: 'Save as CSV' }).click();
  let text = '';
  for await (const part of await (await download).createReadStream()) text += part;
  return text;
}

test('sessions are sorted over all pages, in the URL', () => using('/sessions?range=7d', async (page) => {
  await foot(page, 'Sessions').getByText('1–50 of 75').waitFor();
  await list(page).getByRole('button', { name: /^Calls/ }).click();
  await page.waitForURL(/order=calls/);
  await firstTitle(page, 'session 05');
  await list(page).getByRole('button', { name: /^Session/ }).click();
  await page.waitForURL(/order=title/);
  await firstTitle(page, '=HYPERLINK');
  await list(page).getByRole('button', { name: /^Session/ }).click();
  await page.waitForURL(/order=-title/);
  await firstTitle(page, 'session 74');
  assert.equal(await list(page).locator('th[aria-sort=descending]').textContent(), 'Session ↓');
  await foot(page, 'Sessions').getByRole('button', { name: 'Next' }).click();
  await firstTitle(page, 'session 24');
  await page.reload();
  await firstTitle(page, 'session 24');
}));

test('what chooses other rows begins at their first page; a page that is not there leads back', () => using('/sessions?range=7d&page=2', async (page) => {
  await foot(page, 'Sessions').getByText('51–75 of 75').waitFor();
  await page.keyboard.press('[');
  await page.waitForURL((url) => url.searchParams.has('from') && !url.searchParams.has('page'));
  await page.goBack();
  await page.getByRole('checkbox', { name: 'with errors' }).check();
  await page.waitForURL((url) => url.searchParams.get('only') === 'errors' && !url.searchParams.has('page'));
  await firstTitle(page, 'session 05');
  await page.goto(`${service.url}/sessions?range=7d&project=-home-dev-p4&page=9`);
  await page.getByText('There is no page 9').waitFor();
  assert.equal(new URL(await page.getByRole('link', { name: 'Clear', exact: true }).getAttribute('href'), service.url).searchParams.has('page'), false);
  await page.getByRole('link', { name: 'The first page' }).click();
  await firstTitle(page, 'session 04');
}));

test('the search follows the address, and does not follow to another page', () => using('/sessions?range=7d&search=session+04', async (page) => {
  const box = page.getByRole('searchbox', { name: /^Search titles/ });
  assert.equal(await box.inputValue(), 'session 04');
  await box.fill('session 05');
  await page.waitForURL(/search=session\+05/);
  await page.getByRole('navigation', { name: 'Pages', exact: true }).getByRole('link', { name: 'Sessions' }).click();
  await page.waitForURL((url) => !url.searchParams.has('search'));
  await page.waitForFunction(() => document.querySelector('.session-tools input[type=search]').value === '');
  // A page that is slow to draw is still there when the address is another's.
  await page.evaluate(() => { window.requestAnimationFrame = (draw) => setTimeout(() => draw(performance.now()), 500); });
  await box.fill('gone');
  await page.getByRole('navigation', { name: 'Pages', exact: true }).getByRole('link', { name: 'Cost' }).click();
  await page.waitForTimeout(600);
  assert.equal(new URL(page.url()).pathname, '/cost');
  assert.equal(params(page).has('search'), false);
}));

test('what is cut says so, and shares are of the whole', async () => {
  await using('/tools?range=7d', (page) => foot(page, 'Failed calls').getByText('1–10 of the first 200 of 350').waitFor());
  await using('/sessions?range=7d', (page) => page.locator('[data-panel=sessions_running]').getByText('the latest 50 of 75').waitFor());
  await using('/?range=7d', (page) => page.locator('[data-panel=sessions_running]').getByText('the latest 50 of 75').waitFor());
  await using('/cost?range=7d', async (page) => {
    const projects = page.locator('[data-panel=cost_by_project]');
    await projects.getByText('25 others of 75 projects').waitFor();
    const shares = (await projects.locator('small').allTextContents()).map((text) => Number(text.replace(/[^0-9.]/g, '')));
    assert.equal(shares.length, 51);
    const sum = shares.reduce((a, b) => a + b, 0);
    assert.ok(Math.abs(sum - 100) < 3, `the shares are ${sum} % together`);
    await page.getByRole('combobox', { name: 'Divided by' }).selectOption('subagent');
    const cost = page.locator('[data-panel=cost_attribution]');
    await cost.getByText('(none)').waitFor();
  });
});

test('a CSV holds all rows, and no formulas', () => using('/sessions?range=7d', async (page) => {
  const text = await saved(page, page.locator('[data-panel=sessions]').last());
  assert.equal(text.trim().split('\n').length, 76);
  assert.match(text, /,"'=HYPERLINK\(""http:\/\/evil.example""\)",/);
}));

test('all dead letters can be reached; what is said of one is not changed', () => using('/pipeline', async (page) => {
  const letters = page.locator('[data-panel=dead_letters]');
  await letters.getByText('1–8 of 156').waitFor();
  await letters.getByRole('button', { name: 'Next' }).click();
  await letters.getByText('9–16 of 156').waitFor();
  await letters.getByRole('button', { name: 'Next' }).click();
  await letters.getByText('17–24 of 156').waitFor();
  await letters.getByRole('button', { name: 'Previous' }).click();
  await letters.getByText('9–16 of 156').waitFor();
  assert.deepEqual(await letters.locator('thead button').evaluateAll((all) => all.filter((b) => !b.textContent.trim()).length), 0);
  assert.equal(await letters.locator('thead th').last().textContent(), 'What can be done');
  await letters.getByRole('button', { name: 'Show' }).first().click();
  assert.equal(await letters.locator('.letter h3').evaluate((h) => getComputedStyle(h).textTransform), 'none');
  assert.deepEqual(await axe(page), []);
}));

test('a project has one name, with its id where two have the same', () => using('/sessions?range=7d', async (page) => {
  await list(page).getByText('name5', { exact: true }).waitFor();
  await list(page).getByText('twin · -home-dev-p0', { exact: true }).waitFor();
  await page.getByRole('button', { name: /^Project / }).click();
  await page.getByRole('button', { name: /^twin · -home-dev-p1/ }).click();
  await page.getByRole('button', { name: 'Project twin · -home-dev-p1' }).waitFor();
  await page.goto(`${service.url}/sessions/${made[5].id}`);
  await page.getByRole('navigation', { name: 'Where this is' }).getByRole('link', { name: 'name5' }).waitFor();
  await page.goto(`${service.url}/cost?range=7d`);
  await page.locator('[data-panel=cost_by_project]').getByText('name5', { exact: true }).waitFor();
}));

test('with a model chosen all key figures are of all models, and sessions those that used it', () => using('/?range=7d', async (page) => {
  const cost = page.locator('[data-panel=overview_totals] .figure').filter({ hasText: 'Cost' });
  const whole = await cost.locator('.value').textContent();
  await page.goto(`${service.url}/?range=7d&model=claude-haiku-4-5-20251001`);
  await page.locator('[data-panel=overview_totals]').getByText('all models').waitFor();
  await drawn(page);
  await page.waitForFunction((whole) => document.querySelector('[data-panel=overview_totals] .figure .value')?.textContent === whole, whole);
  await page.goto(`${service.url}/sessions?range=7d&model=claude-haiku-4-5-20251001`);
  await firstTitle(page, 'session 07');
}));

test('the zone is known before the first figures are asked for', () => using('/?range=today', async (page, t) => {
  await page.waitForTimeout(1000);
  const asked = t.seen.requests.filter((url) => url.includes('/panels/overview_totals')).map((url) => new URL(url).searchParams.get('from'));
  const today = new Intl.DateTimeFormat('en-CA', { timeZone: 'Pacific/Auckland', year: 'numeric', month: '2-digit', day: '2-digit' }).format(new Date());
  assert.deepEqual([...new Set(asked)], [today]);
}));

test('days that there are not are not asked for', async () => {
  for (const from of ['2025-02-30', '0000-01-01', '12025-01-01']) await using(`/?from=${from}&to=${from}`, async () => {});
  await using('/?from=0001-01-01&to=9999-12-31', async (page) => {
    await page.keyboard.press(']');
    await page.waitForURL(/to=9999-12-31/);
    await drawn(page);
  });
});

test('where nothing is filtered there is no button that clears filters', () => using('/tools?from=2019-01-01&to=2019-01-02', async (page) => {
  const panel = page.locator('[data-panel=tools]').last();
  await panel.getByRole('link', { name: 'Jump to the last data' }).waitFor();
  assert.equal(await panel.getByRole('link', { name: 'Clear the filters' }).count(), 0);
  await page.goto(`${service.url}/tools?range=7d&tool=nothing`);
  await page.locator('[data-panel=tools]').last().getByRole('link', { name: 'Clear the filters' }).click();
  await page.waitForURL((url) => !url.searchParams.has('tool'));
  await drawn(page);
}));

// The status bar's links are as low as their text and have the bar's height to themselves.
test('targets have 24 pixels, links in text a line, and a menu closes when the focus leaves it', async () => {
  for (const path of ['/', '/tools', '/cost', '/sessions', '/pipeline', `/sessions/${made[5].id}`]) {
    await using(path, async (page) => {
      const small = await page.$$eval('a, button, select, input:not([type=checkbox])', (all) => all.map((one) => [one, one.getBoundingClientRect()])
        .filter(([one, box]) => box.width > 0 && !one.closest('svg, p, .unseen, dd, .statusbar') && !one.classList.contains('skip') && (box.width < 24 || box.height < 23.9)).map(([one, box]) => `${one.outerHTML.slice(0, 90)} ${Math.round(box.width)}×${Math.round(box.height)}`));
      assert.deepEqual(small.slice(0, 5), [], path);
    });
  }
  await using(`/sessions/${made[5].id}`, async (page) => {
    const link = page.getByRole('navigation', { name: 'Where this is' }).getByRole('link').first();
    assert.match(await link.evaluate((a) => getComputedStyle(a).textDecorationLine), /underline/);
    const tag = page.locator('.tag.live');
    if (await tag.count()) assert.ok((await tag.boundingBox()).width < 100, 'the tag is as wide as the status bar’s');
    const last = page.getByRole('button', { name: /^More on/ }).last();
    await last.click();
    await page.getByRole('dialog').waitFor();
    for (let n = 0; n < 12 && (await page.getByRole('dialog').count()); n++) {
      await page.keyboard.press('Tab');
      await page.waitForTimeout(50);
    }
    assert.equal(await page.getByRole('dialog').count(), 0);
  });
});

test('one is one', () => using(`/sessions/${made[4].id}`, async (page) => {
  await page.getByText('1 turn', { exact: false }).first().waitFor();
  assert.doesNotMatch(await page.locator('main').textContent(), /\b1 (sessions|turns|calls|requests)\b/);
}));
