// Pictures are WebP, since they stand in the repository: a quarter of a PNG's size.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Writes what the window shows, or all of the page, to folder/name.webp. */
export async function picture(page, folder, name, { whole = false, quality = 82 } = {}) {
  const session = await page.context().newCDPSession(page);
  try {
    const clip = whole ? await page.evaluate(() => ({ x: 0, y: 0, width: document.documentElement.clientWidth, height: Math.min(document.documentElement.scrollHeight, 4000), scale: 1 })) : undefined;
    const { data } = await session.send('Page.captureScreenshot', { format: 'webp', quality, captureBeyondViewport: whole, ...(clip && { clip }) });
    await writeFile(join(folder, `${name}.webp`), Buffer.from(data, 'base64'));
  } finally {
    await session.detach();
  }
}
