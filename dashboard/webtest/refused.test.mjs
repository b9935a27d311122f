// What a service or a browser refuses: a token, storage, a path that is no text.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launch } from './lib/chromium.mjs';
import * as corpus from './lib/corpus.mjs';
import { tab } from './lib/page.mjs';
import { Service, scratch } from './lib/service.mjs';
import { drawn } from './lib/settle.mjs';

let browser, service, folder;
const token = 'tok€n ü';

before(async () => {
  folder = await scratch();
  const transcripts = join(folder.dir, 'projects');
  await corpus.one(transcripts);
  service = await new Service({ data: join(folder.dir, 'data'), transcripts, env: { HTTP_TOKEN: token } }).start();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await service?.stop();
  await folder?.remove();
});

async function open(page, given) {
  await page.getByLabel('Token').fill(given);
  await page.getByRole('button', { name: 'Use it' }).click();
}

test('a wrong token is said to be wrong, whatever it is made of, and the right one opens the page', async () => {
  const t = await tab(browser, service.url);
  try {
    await t.go('/');
    for (const wrong of ['wrong', 'wröng', 'tok€n', '令牌']) {
      await open(t.page, wrong);
      await t.page.getByRole('alert').filter({ hasText: 'not the token' }).waitFor();
    }
    await open(t.page, token);
    await drawn(t.page, { panels: 6 });
    await t.page.reload();
    await drawn(t.page, { panels: 6 });
  } finally {
    await t.close();
  }
});

test('a browser that stores nothing shows the page all the same', async () => {
  const t = await tab(browser, service.url);
  try {
    await t.context.addInitScript(() => {
      for (const name of ['localStorage', 'sessionStorage']) Object.defineProperty(window, name, { get: () => { throw new DOMException('denied', 'SecurityError'); } });
    });
    await t.go('/');
    await open(t.page, token);
    await drawn(t.page, { panels: 6 });
    await t.page.keyboard.press('d');
    await t.page.locator('html[data-theme=light]').waitFor();
  } finally {
    await t.close();
  }
});

test('a path that is no text is that of no session', async () => {
  const t = await tab(browser, service.url);
  try {
    await t.go('/sessions/%ff');
    await open(t.page, token);
    await t.page.getByText('There is no session %ff').waitFor();
    assert.deepEqual(t.seen.errors.filter((text) => !/401/.test(text)), []);
  } finally {
    await t.close();
  }
});
