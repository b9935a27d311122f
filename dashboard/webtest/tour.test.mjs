// The five questions that are asked most, each answered in at most three clicks from the start page. docs/tour.md tells
// the same; with PICTURES set, its pictures are taken here.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launch } from './lib/chromium.mjs';
import { Session } from './lib/corpus.mjs';
import { tab } from './lib/page.mjs';
import { picture } from './lib/picture.mjs';
import { recent } from './lib/recent.mjs';
import { Service, scratch } from './lib/service.mjs';
import { drawn, faults } from './lib/settle.mjs';

const mostClicks = 3;
let browser, service, folder;

before(async () => {
  folder = await scratch();
  const transcripts = join(folder.dir, 'projects');
  await recent(transcripts, 80, 4);
  const day = 24 * 3600_000;
  await new Session('yesterday', { project: '-home-dev-shop', at: new Date(Date.now() - day) }).prompt('Make the cart add up')
    .use('Bash', { command: 'go test ./cart' }, 'FAIL: TestTotal', { error: true }).use('Edit', { file_path: '/home/dev/shop/cart.go', old_string: 'a', new_string: 'b' }, 'ok').say('It adds up now.').write(transcripts);
  await new Session('now', { project: '-home-dev-shop' }).prompt('Why is the checkout slow?').use('Grep', { pattern: 'sleep' }, 'checkout.go:12').say('Looking at checkout.go.').write(transcripts);
  service = await new Service({ data: join(folder.dir, 'data'), transcripts }).start();
  await service.settled(300);
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await service?.stop();
  await folder?.remove();
});

/** A walk from the start page that counts its clicks. */
async function walk(name, steps) {
  const t = await tab(browser, service.url, { reduced: 'reduce' });
  let clicks = 0;
  try {
    await t.go('/');
    await drawn(t.page);
    const click = async (target) => {
      clicks++;
      await target.click();
    };
    await steps(t.page, click);
    assert.deepEqual(await faults(t.page), []);
    assert.deepEqual(t.seen.errors, []);
    assert.ok(clicks <= mostClicks, `${clicks} clicks`);
    if (process.env.PICTURES) await picture(t.page, process.env.PICTURES, `tour-${name}`);
    console.log(`${name}: ${clicks} clicks`);
  } finally {
    await t.close();
  }
}

const place = (page, name) => page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name, exact: true });

test('what did yesterday cost, and where', () => walk('cost', async (page, click) => {
  await click(place(page, 'Cost'));
  await drawn(page);
  await click(page.getByRole('button', { name: /^Days / }));
  await click(page.getByRole('button', { name: 'Yesterday', exact: true }));
  await page.waitForURL(/\/cost\?.*range=yesterday/);
  await drawn(page);
  assert.match(await page.locator('main').textContent(), /\$\d+\.\d\d/);
  await page.locator('[data-panel=cost_by_project]').waitFor();
}));

test('which tool fails most, and why', () => walk('tools', async (page, click) => {
  await click(page.locator('[data-panel=tool_errors] a[href*="tool="]').first());
  await page.waitForURL(/\/tools\?.*tool=/);
  await drawn(page);
  await page.locator('[data-panel=tool_failures]').waitFor();
}));

test('what is running now', () => walk('running', async (page, click) => {
  const running = page.locator('[data-panel=sessions_running]');
  await running.getByRole('link', { name: /Why is the checkout slow/ }).waitFor();
  await click(running.getByRole('link', { name: 'All sessions' }));
  await page.waitForURL(/\/sessions/);
  await drawn(page);
  await page.getByText('Why is the checkout slow?').first().waitFor();
}));

test('what happened in this session', () => walk('session', async (page, click) => {
  await click(page.locator('[data-panel=top_sessions] tbody a').first());
  await page.waitForURL(/\/sessions\/./);
  await drawn(page);
  await page.getByText(/\btokens\b/i).first().waitFor();
}));

test('is the data complete', () => walk('complete', async (page, click) => {
  await click(place(page, 'Pipeline'));
  await drawn(page);
  await page.getByText(/dead letter/i).first().waitFor();
}));
