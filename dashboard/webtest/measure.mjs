// The table of the page: import, first view, append → screen, store, memory; ours, and agentsview's where AGENTSVIEW
// names its program. Both in one run on the same transcripts, one after the other. SIZE=350MB unless told otherwise.
import { spawn } from 'node:child_process';
import { cp, mkdir, readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { launch } from './lib/chromium.mjs';
import { Session } from './lib/corpus.mjs';
import { tab } from './lib/page.mjs';
import { recent } from './lib/recent.mjs';
import { Service, eventually, freePort, scratch } from './lib/service.mjs';
import { drawn } from './lib/settle.mjs';

const bytes = async (path) => {
  const entry = await stat(path).catch(() => undefined);
  if (!entry) return 0;
  if (!entry.isDirectory()) return entry.size;
  return (await Promise.all((await readdir(path)).map((name) => bytes(join(path, name))))).reduce((a, b) => a + b, 0);
};
const quiet = 120_000; // ms; the lake lands a minute after the last line
const memory = async (pid, what) => Number(new RegExp(`${what}:\\s+(\\d+)`).exec(await readFile(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;
const since = (began) => (performance.now() - began) / 1000;
const answers = (url) => async () => {
  const answer = await fetch(url);
  await answer.arrayBuffer();
  return answer.ok;
};
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

const rows = new Map();
const note = (name, who, value) => rows.set(name, { ...rows.get(name), [who]: value });

/** Seconds until the last answer before the network was quiet for a second, and what was fetched. */
async function view(browser, base, path, ready) {
  const t = await tab(browser, base);
  let script = 0;
  let all = 0;
  let last = 0;
  t.page.on('requestfinished', async (request) => {
    const sizes = await request.sizes().catch(() => undefined);
    all++;
    last = performance.now();
    if (request.resourceType() === 'script') script += sizes?.responseBodySize ?? 0;
  });
  const began = performance.now();
  await t.page.goto(base + path, { waitUntil: 'load' });
  await ready(t.page);
  await eventually('the page to be quiet', () => performance.now() - last > 1000, 120);
  return { t, took: (last - began) / 1000, script, all, foreign: t.seen.foreign.length };
}

/** Appends prompts to a session, and sees how long each takes onto the page that is open. */
async function appended(page, session, transcripts) {
  const took = [];
  for (let n = 0; n < 5; n++) {
    const words = `appended number ${n} of the measurement`;
    const began = performance.now();
    await session.prompt(words).say(`seen ${n}`).write(transcripts);
    // Looked for in each frame: a locator looks every half second, which would be measured with it.
    await page.waitForFunction((text) => document.querySelector('.timeline')?.textContent.includes(text), words, { polling: 'raf', timeout: 60_000 });
    took.push(since(began));
    await page.waitForTimeout(1000);
  }
  return median(took);
}

async function ours(browser, dir, transcripts, source) {
  const service = new Service({ data: join(dir, 'data'), transcripts });
  service.port = await freePort(); // known before the start, so that the page can be asked from the first moment
  const began = performance.now();
  const ready = service.start();
  await eventually('the page', answers(service.url + '/'), 120);
  note('page answers, s', 'ours', since(began));
  await ready;
  await service.settled(900);
  note('cold import to all marts, s', 'ours', since(began));
  const first = await view(browser, service.url, '/?range=all', (p) => drawn(p, { panels: 6 }));
  note('first view, full range, s', 'ours', first.took);
  note('its requests', 'ours', first.all);
  note('its script, kB as sent', 'ours', first.script / 1000);
  note('its requests to others', 'ours', first.foreign);
  const session = await new Session('measured', { project: '-home-dev-measured' }).prompt('the first of the measurement').say('yes').write(transcripts);
  const link = first.t.page.locator('[data-panel=sessions_running] a', { hasText: 'the first of the measurement' });
  await link.waitFor({ timeout: 60_000 });
  await link.click();
  await drawn(first.t.page);
  note('append → screen in a session, s', 'ours', await appended(first.t.page, session, transcripts));
  note('memory at the peak of the import, MiB', 'ours', await memory(service.child.pid, 'VmHWM'));
  note('memory while it follows, MiB', 'ours', await memory(service.child.pid, 'VmRSS'));
  await sleep(quiet);
  note('memory when it has been quiet for two minutes, MiB', 'ours', await memory(service.child.pid, 'VmRSS'));
  await service.stop();
  note('store: lake, of the source', 'ours', (await bytes(join(dir, 'data', 'raw'))) / source);
  note('store: warehouse, of the source', 'ours', (await bytes(join(dir, 'data', 'analytics.duckdb'))) / source);
  const again = performance.now();
  await service.start();
  await eventually('the figures', async () => (await service.get('/api/v1/panels/overview_totals')).rows.length > 0);
  note('warm start to the first figures, s', 'ours', since(again));
  await service.stop();
  await first.t.close();
}

async function theirs(browser, dir, transcripts, source) {
  const port = await freePort();
  const base = `http://127.0.0.1:${port}`;
  const home = join(dir, 'home');
  await mkdir(home, { recursive: true });
  const env = { PATH: process.env.PATH, HOME: home, CLAUDE_PROJECTS_DIR: transcripts, AGENTSVIEW_DATA_DIR: join(home, 'data') };
  const start = () => spawn(process.env.AGENTSVIEW, ['serve', '--no-browser', '--no-update-check', '--port', String(port)], { env, stdio: 'ignore' });
  let began = performance.now();
  let child = start();
  await eventually('agentsview', answers(base + '/'), 900);
  note('page answers, s', 'agentsview', since(began));
  note('cold import to all marts, s', 'agentsview', since(began)); // it imports before it answers
  const first = await view(browser, base, '/', async () => {});
  note('first view, full range, s', 'agentsview', first.took);
  note('its requests', 'agentsview', first.all);
  note('its script, kB as sent', 'agentsview', first.script / 1000);
  note('its requests to others', 'agentsview', first.foreign);
  note('memory at the peak of the import, MiB', 'agentsview', await memory(child.pid, 'VmHWM'));
  note('memory while it follows, MiB', 'agentsview', await memory(child.pid, 'VmRSS'));
  child.kill('SIGINT');
  await new Promise((done) => child.on('close', done));
  note('store: lake, of the source', 'agentsview', '–');
  note('store: warehouse, of the source', 'agentsview', (await bytes(home)) / source);
  began = performance.now();
  child = start();
  await eventually('agentsview', answers(base + '/'), 300);
  note('warm start to the first figures, s', 'agentsview', since(began));
  child.kill('SIGINT');
  await new Promise((done) => child.on('close', done));
  await first.t.close();
}

const folder = await scratch();
const browser = await launch();
try {
  const transcripts = join(folder.dir, 'projects');
  await recent(transcripts, undefined, 1, ['--bytes', process.env.SIZE ?? '350MB']);
  const source = await bytes(transcripts);
  console.log(`${(source / 1e6).toFixed(0)} MB of transcripts`);
  if (process.env.AGENTSVIEW) {
    const copy = join(folder.dir, 'theirs', 'projects');
    await cp(transcripts, copy, { recursive: true });
    await theirs(browser, join(folder.dir, 'theirs'), copy, source);
  } else console.log('agentsview is not measured: set AGENTSVIEW to its program (pip install agentsview==0.46.1)');
  await ours(browser, join(folder.dir, 'ours'), transcripts, source);
} finally {
  await browser.close();
  const shown = (value) => (typeof value === 'number' ? String(Number(value.toPrecision(3))) : (value ?? '–'));
  console.log(`\n| | ours | agentsview |\n|---|---|---|`);
  for (const [name, row] of rows) console.log(`| ${name} | ${shown(row.ours)} | ${shown(row.agentsview)} |`);
  await folder.remove();
}
