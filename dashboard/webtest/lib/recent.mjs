// Generated transcripts end on a fixed day. Here they are moved so that they end now, as those of people at work do.
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generate } from './service.mjs';

const time = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g;

/** Writes transcripts of a seed whose newest record is a minute old, and gives what a correct reader must find. */
export async function recent(root, sessions, seed = 1, more = ['--sessions', String(sessions)]) {
  const truth = await generate(root, ...more, '--seed', String(seed));
  const names = (await readdir(root, { recursive: true })).filter((name) => name.endsWith('.jsonl'));
  const texts = new Map();
  let newest = 0;
  for (const name of names) {
    const text = await readFile(join(root, name), 'utf8');
    texts.set(name, text);
    for (const [found] of text.matchAll(time)) newest = Math.max(newest, Date.parse(found));
  }
  const by = Date.now() - 60_000 - newest;
  for (const [name, text] of texts) {
    await writeFile(join(root, name), text.replace(time, (found) => new Date(Date.parse(found) + by).toISOString()));
  }
  return truth;
}
