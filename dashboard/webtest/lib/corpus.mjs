// Transcripts by hand: small ones to append while the page looks, and odd ones.
import { appendFile, mkdir } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';

const uuid = (text) => createHash('md5').update(text).digest('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');

/** A session's transcript; its lines are kept until written. */
export class Session {
  constructor(name, { project = '-home-dev-shop', at = new Date(), step = 2000, projectId, model = 'claude-opus-4-5-20251101' } = {}) {
    this.id = uuid(name);
    this.project = project;
    this.common = { sessionId: this.id, version: '2.1.100', cwd: '/home/dev/shop', gitBranch: 'main', userType: 'external', isSidechain: false, ...(projectId && { projectId }) };
    this.model = model;
    this.clock = at.getTime();
    this.step = step;
    this.count = 0;
    this.lines = [];
  }

  add(fields) {
    const id = uuid(`${this.id}/${this.count++}`);
    const timestamp = new Date(this.clock).toISOString();
    this.clock += this.step;
    this.lines.push(JSON.stringify({ parentUuid: this.parent ?? null, ...this.common, uuid: id, timestamp, ...fields }));
    this.parent = id;
    return this;
  }

  at(time) {
    this.clock = new Date(time).getTime();
    return this;
  }

  prompt(text) {
    return this.add({ type: 'user', message: { role: 'user', content: text } });
  }

  say(content, usage = {}) {
    const blocks = typeof content === 'string' ? [{ type: 'text', text: content }] : content;
    const id = `msg_${uuid(`${this.id}/m${this.count}`).replaceAll('-', '').slice(0, 24)}`;
    return this.add({
      type: 'assistant', requestId: `req_${id.slice(4)}`,
      message: {
        id, type: 'message', role: 'assistant', model: this.model, content: blocks, stop_reason: null, stop_sequence: null,
        usage: { input_tokens: 12, cache_creation_input_tokens: 900, cache_read_input_tokens: 15000, output_tokens: 240, service_tier: 'standard', ...usage },
      },
    });
  }

  /** A call of a tool and its result. */
  use(name, input, result, { error = false } = {}) {
    const id = `toolu_${uuid(`${this.id}/t${this.count}`).replaceAll('-', '').slice(0, 24)}`;
    this.say([{ type: 'tool_use', id, name, input }]);
    return this.add({ type: 'user', message: { role: 'user', content: [{ type: 'tool_result', tool_use_id: id, content: result, ...(error && { is_error: true }) }] } });
  }

  file(root) {
    return join(root, this.project, `${this.id}.jsonl`);
  }

  /** Appends what was added since the last time with one write, as the CLI does. */
  async write(root) {
    const path = this.file(root);
    await mkdir(dirname(path), { recursive: true });
    await appendFile(path, this.lines.map((line) => line + '\n').join(''));
    this.lines = [];
    return this;
  }
}

/** What would run, move or load something if it were taken for markup. */
export const markup = '<script>window.__ran = "script"</script><img src=x onerror="window.__ran = \'img\'"><b>bold</b> & <style>body{display:none}</style> "quoted" </div></body>';

/** 300 characters, each of them more than one unit and more than one byte. */
export const longName = '🚀👩‍🔧🇪🇺'.repeat(100).match(/\p{Extended_Pictographic}|\p{RI}|./gsu).slice(0, 300).join('');

/** Markup, emoji, long names, long words, decades: one session each, all with prompts, calls and an error. */
export async function odd(root, now = new Date()) {
  const hour = 3600_000;
  const ago = (hours) => new Date(now.getTime() - hours * hour);
  const html = new Session('html', { project: '-home-dev-html', at: ago(3) })
    .prompt(`${markup} what does this do?`)
    .say(`It is text: ${markup}`)
    .use('Bash', { command: `echo '${markup}'`, description: markup }, `${markup}`, { error: true })
    .use(`mcp__${'x'.repeat(60)}__<img/src/onerror=alert(1)>`, { query: markup }, 'fine')
    .say('done');
  const emoji = new Session('emoji', { project: '-home-dev-🚀-' + 'é'.repeat(100), at: ago(2), projectId: longName })
    .prompt('🚀 '.repeat(200))
    .use('Read', { file_path: '/home/dev/🚀/' + 'very-long-name/'.repeat(40) }, '1→🚀')
    .say('🚀');
  const words = new Session('words', { project: '-home-dev-words', at: ago(1) })
    .prompt('W'.repeat(5000)).say('w'.repeat(20000)).prompt('مرحبا بالعالم \u202Eright to left').say('שלום');
  const decades = new Session('decades', { project: '-home-dev-decades' })
    .at('1996-02-29T12:00:00Z').prompt('an old one').say('yes')
    .at('2038-01-19T03:14:08Z').prompt('a late one').say('yes');
  const all = [html, emoji, words, decades];
  for (const one of all) await one.write(root);
  return { html, emoji, words, decades };
}

/** One session of many lines. */
export async function long(root, lines, now = new Date()) {
  const session = new Session('long', { project: '-home-dev-long', at: new Date(now.getTime() - lines * 400 - 60_000), step: 400 });
  for (let turn = 0; session.count < lines; turn++) {
    session.prompt(`step ${turn}: go on with the next part`);
    for (let call = 0; call < 12 && session.count < lines; call++) {
      session.use(['Bash', 'Read', 'Edit', 'Grep'][call % 4], { command: `make part-${turn}-${call}`, file_path: `/home/dev/long/part-${turn}.go` }, `result ${turn}/${call} ` + 'x'.repeat(200), { error: call === 7 });
    }
    session.say((session.last = `part ${turn} is done`));
  }
  await session.write(root);
  return session;
}

/** Makes an empty folder to follow. */
export async function empty(root) {
  await mkdir(root, { recursive: true });
}

/** A single prompt and nothing else. */
export async function one(root) {
  return new Session('one', { project: '-home-dev-one' }).prompt('is anybody there?').write(root);
}

/** More of everything than a page or an answer takes: sessions and projects of which two have one name, failed calls, lines that cannot be read. */
export async function many(root, { sessions = 75, failures = 350, broken = 156, now = new Date() } = {}) {
  const made = [];
  for (let i = 0; i < sessions; i++) {
    const session = new Session(`many ${i}`, { project: `-home-dev-p${i}`, at: new Date(now.getTime() - 30_000 - i * 1000), step: 10, model: i === 7 ? 'claude-haiku-4-5-20251001' : undefined });
    session.common.cwd = i < 2 ? `/home/${'ab'[i]}/twin` : `/home/dev/name${i}`;
    session.prompt(i === 3 ? '=HYPERLINK("http://evil.example")' : `session ${String(i).padStart(2, '0')} begins`);
    if (i === 5) for (let n = 0; n < failures; n++) session.use('Bash', { command: `make ${n}` }, 'no', { error: true });
    session.say('done', { output_tokens: 100 + i });
    made.push(await session.write(root));
  }
  await appendFile(made[9].file(root), Array.from({ length: broken }, (_, n) => `{"Broken": ${n}\n`).join(''));
  return made;
}
