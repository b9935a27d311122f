// The built program, as a process on a port of its own.
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(fileURLToPath(new URL('../../..', import.meta.url)));

/** The program under test: $CLAUDE_ANALYTICS, or what `make build` made. */
export const binary = process.env.CLAUDE_ANALYTICS || join(root, 'bin', 'claude-analytics');

/** A scratch folder that is removed at the end unless KEEP is set. */
export async function scratch() {
  const dir = await mkdtemp(join(tmpdir(), 'webtest-'));
  return { dir, remove: () => (process.env.KEEP ? console.log('kept', dir) : rm(dir, { recursive: true, force: true, maxRetries: 5 })) };
}

export async function freePort() {
  const server = createServer();
  await new Promise((done, failed) => server.on('error', failed).listen(0, '127.0.0.1', done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

/** Waits until look() gives something truthy, and says what it waited for when it does not. */
export async function eventually(what, look, seconds = 90) {
  const until = Date.now() + seconds * 1000;
  let last;
  for (;;) {
    try {
      const value = await look();
      if (value) return value;
      last = value;
    } catch (error) {
      last = error;
    }
    if (Date.now() > until) throw new Error(`waited ${seconds} s for ${what}; the last look gave ${last instanceof Error ? last.message : JSON.stringify(last)}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

// No settings of the machine, no .env file of the folder.
const environment = (extra) => ({ PATH: process.env.PATH, HOME: tmpdir(), TMPDIR: tmpdir(), LOG_LEVEL: 'warn', LOG_FORMAT: 'json', ...extra });

/** Runs a command to its end and gives what it printed. */
export function run(args, env = {}) {
  return new Promise((done, failed) => {
    const child = spawn(binary, args, { env: environment(env), cwd: tmpdir(), stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    let err = '';
    child.stdout.on('data', (text) => (out += text));
    child.stderr.on('data', (text) => (err += text));
    child.on('error', failed);
    child.on('close', (code) => (code === 0 ? done(out) : failed(new Error(`${args.join(' ')} ended with ${code}\n${err}`))));
  });
}

/** Writes transcripts of a seed; the same seed gives the same bytes. */
export const generate = async (out, ...args) => JSON.parse(await run(['generate', '--out', out, '--json', ...args]));

/** The service on a followed folder. It can be stopped and started again on the same address. */
export class Service {
  constructor({ data, transcripts, env = {}, args = [] }) {
    Object.assign(this, { data, transcripts, env, args, log: '' });
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  async start() {
    this.port ??= await freePort();
    const args = ['up', '--data-dir', this.data, '--transcripts', this.transcripts, '--source', 'web', '--http-addr', `127.0.0.1:${this.port}`, ...this.args];
    const child = spawn(binary, args, { env: environment(this.env), cwd: tmpdir(), stdio: ['ignore', 'ignore', 'pipe'] });
    child.stderr.on('data', (text) => (this.log = (this.log + text).slice(-20000)));
    this.child = child;
    const orphan = () => child.kill('SIGKILL'); // a test that dies leaves no service behind
    process.on('exit', orphan);
    child.on('close', () => process.off('exit', orphan));
    this.ended = new Promise((done) => child.on('close', (code) => done((child.code = code ?? -1))));
    await eventually('the service to be ready', async () => {
      if (child.code !== undefined) throw new Error(`it ended with ${child.code}\n${this.log}`);
      return (await fetch(this.url + '/api/ready')).ok;
    });
    return this;
  }

  async stop(signal = 'SIGINT') {
    if (!this.child) return;
    this.child.kill(signal);
    await this.ended;
    this.child = undefined;
  }

  async get(path) {
    const answer = await fetch(this.url + path, { headers: { Accept: 'application/json' } });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  }

  /** The rows of a table, as objects. */
  rows(table, query = '') {
    return this.get(`/api/v1/marts/${table}?format=objects&limit=1000${query}`);
  }

  /** Waits until all that the folder holds is applied and the marts show it. */
  async settled(seconds = 120) {
    await eventually('everything to be read, applied and shown', async () => {
      const { sources, sink, models } = await this.get('/api/v1/status');
      const read = sources.every((source) => source.caught_up) && sink.warehouse.lag === 0 && sink.warehouse.rows > 0;
      return read && !models.running && !models.pending && models.newest >= sink.warehouse.newest;
    }, seconds);
  }
}
