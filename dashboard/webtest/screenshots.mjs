// Pictures of each page from generated data: light, dark, and on a phone.
import { join } from 'node:path';
import { launch } from './lib/chromium.mjs';
import { desktop, phone, tab } from './lib/page.mjs';
import { picture } from './lib/picture.mjs';
import { recent } from './lib/recent.mjs';
import { Service, scratch } from './lib/service.mjs';
import { drawn, places } from './lib/settle.mjs';

const out = process.env.PICTURES;
if (!out) throw new Error('set PICTURES to the folder that the pictures go to');

const folder = await scratch();
const transcripts = join(folder.dir, 'projects');
await recent(transcripts, 150, 4);
const service = await new Service({ data: join(folder.dir, 'data'), transcripts }).start();
const browser = await launch();
try {
  await service.settled(300);
  const [session] = await service.rows('dim_sessions', '&order=-total_tokens&has_subagents=true').catch(() => service.rows('dim_sessions', '&order=-total_tokens'));
  const all = [...places, { name: 'Session', path: `/sessions/${session.session_id}`, panels: 1 }];
  for (const [kind, options] of [['light', { theme: 'light', viewport: desktop }], ['dark', { theme: 'dark', viewport: desktop }], ['phone', { theme: 'light', viewport: phone, touch: true }]]) {
    const t = await tab(browser, service.url, { ...options, reduced: 'reduce' });
    for (const place of all) {
      await t.go(place.path);
      await drawn(t.page, place);
      await t.page.waitForTimeout(300);
      await picture(t.page, out, `${place.name.toLowerCase()}-${kind}`);
      console.log(`${place.name}, ${kind}`);
    }
    await t.close();
  }
} finally {
  await browser.close();
  await service.stop();
  await folder.remove();
}
