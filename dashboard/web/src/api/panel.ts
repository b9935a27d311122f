// The panels' answers: fetched once for all who show them, kept while a newer one is on its way, and read again when a
// refresh touched one of their models. What did not change is not drawn again.
import { signal, type Signal } from '@preact/signals';
import { type ApiError, type Column, getText, type PanelAnswer, type Version } from './client';
import { type Changed, refreshed, touches } from './events';

export type Row = Record<string, unknown>;

export interface Answer<R> {
  panel: string;
  title: string;
  about: string;
  models: { name: string; description: string }[];
  sql: string;
  /** The parameters that it took. */
  parameters: string[];
  asOf: Version;
  seconds: number;
  columns: Column[];
  rows: R[];
  truncated: boolean;
  /** The whole answer's time as the page saw it, in milliseconds. */
  took: number;
}

/** A panel with parameters; its signals change as answers arrive. */
export interface Panel<R = Row> {
  name: string;
  url: string;
  data: Signal<Answer<R> | undefined>;
  error: Signal<ApiError | undefined>;
  loading: Signal<boolean>;
  /** Keeps it fresh until the function returned is called. */
  use: () => () => void;
  reload: () => void;
}

/** Time of the last query, for the status bar. */
export const lastQuery = signal<{ panel: string; seconds: number; took: number } | undefined>(undefined);
/** The newest refresh that an answer showed. */
export const asOf = signal<Version | undefined>(undefined);

/** Refusals that pass by themselves. */
const again = new Set(['starting', 'busy', 'timeout']);

class Resource implements Panel {
  readonly data = signal<Answer<Row> | undefined>(undefined);
  readonly error = signal<ApiError | undefined>(undefined);
  readonly loading = signal(false);
  users = 0;
  stale = true;
  body = '';
  leftAt = 0;
  /** The one that it is about, if it is about one. */
  readonly session: string | null;

  constructor(
    readonly name: string,
    readonly url: string,
  ) {
    this.session = new URLSearchParams(url.split('?')[1]).get('session');
  }

  use = () => {
    this.users++;
    if (this.stale) want(this);
    return () => {
      this.users--;
      this.leftAt = performance.now();
      forget();
    };
  };

  reload = () => {
    this.stale = true;
    want(this);
  };

  touches(what: Changed): boolean {
    return touches(what, this.session, (models) => {
      const mine = this.data.value?.models;
      if (!mine) return models.size > 0; // what is on its way is not older than a mere hello
      return mine.some((m) => models.has(m.name.slice(m.name.indexOf('.') + 1)) || !m.name.startsWith('marts.'));
    });
  }

  async load(): Promise<void> {
    this.stale = false;
    this.loading.value = true;
    const began = performance.now();
    try {
      const text = await getText(this.url);
      // The rows stand at the end of the answer; what is before them changes with each refresh.
      const body = text.slice(text.indexOf(',"columns":['));
      const before = this.data.peek();
      if (before && body === this.body) {
        const head = /"as_of":(\{[^}]*\})/.exec(text)?.[1];
        if (head) note(this, { ...before, asOf: JSON.parse(head) as Version, took: performance.now() - began });
      } else {
        const answer = decode(JSON.parse(text) as PanelAnswer, performance.now() - began);
        this.body = body;
        this.data.value = answer;
        note(this, answer);
      }
      this.error.value = undefined;
    } catch (fault) {
      this.stale = true;
      this.error.value = fault as ApiError;
      if (again.has(this.error.value.code)) setTimeout(() => this.users > 0 && want(this), 1500);
    } finally {
      this.loading.value = false;
    }
  }
}

function note(of: Resource, answer: Answer<Row>): void {
  lastQuery.value = { panel: of.name, seconds: answer.seconds, took: answer.took };
  if ((answer.asOf.refresh ?? 0) >= (asOf.peek()?.refresh ?? 0) || answer.asOf.refreshed_at) asOf.value = answer.asOf;
}

function decode(p: PanelAnswer, took: number): Answer<Row> {
  const names = p.columns.map((c) => c.name);
  const rows = p.rows.map((cells) => {
    const row: Row = {};
    for (let i = 0; i < names.length; i++) row[names[i]!] = (cells as unknown[])[i];
    return row;
  });
  return {
    panel: p.panel, title: p.title, about: p.about, sql: p.sql, parameters: Object.keys(p.parameters), asOf: p.as_of, seconds: p.seconds, columns: p.columns, rows,
    models: p.models.map((m) => ({ name: m.name ?? '', description: m.description ?? '' })), truncated: p.truncated, took,
  };
}

const known = new Map<string, Resource>();
const kept = 60; // answers that nobody shows, for the way back

function forget(): void {
  const idle = [...known.values()].filter((r) => r.users === 0 && !r.loading.peek());
  if (idle.length <= kept) return;
  idle.sort((a, b) => a.leftAt - b.leftAt);
  for (const one of idle.slice(0, idle.length - kept)) known.delete(one.url);
}

/** The parameters of a panel besides the filters. */
export type Extra = Record<string, string | number | string[] | undefined>;

let filterParams: () => URLSearchParams | undefined = () => new URLSearchParams();

/** Says how the filters of the page are sent; undefined: they are not known yet. */
export function filtersAre(how: () => URLSearchParams | undefined): void {
  filterParams = how;
}

/** A panel by name; with filters false those of the page are not sent. Undefined while the filters are not known. */
export function panel<R = Row>(name: string, extra: Extra, how: { filters: false }): Panel<R>;
export function panel<R = Row>(name: string, extra?: Extra): Panel<R> | undefined;
export function panel<R = Row>(name: string, extra: Extra = {}, how: { filters?: boolean } = {}): Panel<R> | undefined {
  const params = how.filters === false ? new URLSearchParams() : filterParams();
  if (!params) return undefined;
  const all = new URLSearchParams(params);
  for (const [key, value] of Object.entries(extra)) {
    if (value === undefined || value === '') continue;
    all.delete(key);
    for (const one of Array.isArray(value) ? value : [value]) all.append(key, String(one));
  }
  const text = all.toString();
  const url = `/api/v1/panels/${name}${text ? `?${text}` : ''}`;
  let resource = known.get(url);
  if (!resource) known.set(url, (resource = new Resource(name, url)));
  return resource as unknown as Panel<R>;
}

// ---- when to ask --------------------------------------------------------------------------------------------------

const atATime = 4; // browsers allow six to a server, and one is the events'
const queue = new Set<Resource>();
let active = 0;
let passBegan = 0;
let notBefore = 0;
let timer: ReturnType<typeof setTimeout> | undefined;

function want(one: Resource): void {
  queue.add(one);
  pump();
}

function pump(): void {
  while (active < atATime && queue.size > 0) {
    const next = queue.values().next().value!;
    queue.delete(next);
    if (next.loading.peek()) {
      next.stale = true;
      continue;
    }
    if (active === 0) passBegan = performance.now();
    active++;
    void next.load().finally(() => {
      active--;
      if (next.stale && !next.error.peek() && next.users > 0) queue.add(next);
      // Refreshes may follow each other closely: half of the time at most is spent asking.
      if (active === 0 && queue.size === 0) notBefore = performance.now() + Math.min(performance.now() - passBegan, 2000);
      pump();
    });
  }
}

const nothing = (): Changed => ({ models: new Set(), sessions: new Set() });
let touched = nothing();
type First = (what: Changed) => Promise<void> | undefined;
const onSweep = new Set<First>();
const patience = 1000; // ms

/** Calls back with what changed since the last time. The panels are asked when what it reads is there. */
export function swept(listener: First): () => void {
  onSweep.add(listener);
  return () => onSweep.delete(listener);
}

function sweep(): void {
  timer = undefined;
  if (document.visibilityState === 'hidden') return; // comes again when somebody looks
  const what = touched;
  touched = nothing();
  for (const one of known.values()) {
    if (one.touches(what) || one.error.peek()) one.stale = true;
  }
  const first = [...onSweep].map((listener) => listener(what)).filter((reading) => reading !== undefined);
  if (first.length === 0) askStale();
  else void Promise.race([Promise.allSettled(first), new Promise((resolve) => setTimeout(resolve, patience))]).then(askStale);
}

/** Asks again for what could not be answered. */
export const askAgain = sweep;

function askStale(): void {
  for (const one of known.values()) {
    if (one.stale && one.users > 0) queue.add(one);
  }
  pump();
}

function joined(a: Set<string> | undefined, b: Set<string> | undefined): Set<string> | undefined {
  return a && b && new Set([...a, ...b]);
}

function soon(): void {
  timer ??= setTimeout(sweep, Math.max(0, notBefore - performance.now()));
}

/** Keeps what is shown fresh, from now on. */
export function followRefreshes(): void {
  refreshed((what) => {
    touched = { models: joined(touched.models, what.models), sessions: joined(touched.sessions, what.sessions) };
    soon();
  });
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') soon();
  });
}
