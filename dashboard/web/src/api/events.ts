// The stream of server-sent events. Read with fetch, not EventSource, since that cannot send a token. A page that
// nobody looks at hangs up after a while: browsers allow six connections to a server over all tabs.
import { signal } from '@preact/signals';
import { headers, refusal } from './client';
import type { Status } from './status';

/** connecting: not yet heard from; live; stopped: was refused or went silent, and is tried again. */
export type Link = 'connecting' | 'live' | 'stopped' | 'resting';

export const link = signal<Link>('connecting');
export const status = signal<Status | undefined>(undefined);
/** Counts events that were missed: what is shown has to be read again. */
export const resets = signal(0);

export interface RefreshEvent {
  models?: { name: string; rows: number }[];
  /** Sessions that were computed; none: many, or all. */
  session_ids?: string[];
}

/** What changed; undefined: it is not known which, so perhaps all. */
export interface Changed {
  models: Set<string> | undefined;
  sessions: Set<string> | undefined;
}

/** Whether it concerns who reads of a session, or of all if none is given; reads says whether that is of one of the models. */
export function touches({ models, sessions }: Changed, session: string | null, reads: (models: Set<string>) => boolean): boolean {
  if (!models) return true;
  return !(sessions && session && !sessions.has(session)) && reads(models);
}

type Listener = (what: Changed) => void;
const onRefresh = new Set<Listener>();

/** Calls back with what a refresh changed. */
export function refreshed(listener: Listener): () => void {
  onRefresh.add(listener);
  return () => onRefresh.delete(listener);
}

const silentAfter = 9_000; // the status comes every two seconds
const restAfter = 15_000;

let lastID = '';
let boot = '';
let wanted = true;
let current: AbortController | undefined;
let running = false;

function tell(models: Set<string> | undefined, sessions?: Set<string>): void {
  for (const listener of onRefresh) listener({ models, sessions });
}

function take(kind: string, data: string): void {
  switch (kind) {
    case 'hello': {
      const hello = JSON.parse(data) as { boot: string };
      const other = boot !== '' && hello.boot !== boot;
      boot = hello.boot;
      link.value = 'live';
      if (other) resets.value++;
      tell(other ? undefined : new Set()); // at least what could not be read meanwhile
      break;
    }
    case 'reset':
      resets.value++;
      tell(undefined);
      break;
    case 'refresh': {
      const event = JSON.parse(data) as RefreshEvent;
      tell(event.models ? new Set(event.models.map((m) => m.name)) : undefined, event.session_ids && new Set(event.session_ids));
      break;
    }
    case 'status':
      if (document.visibilityState === 'visible') status.value = JSON.parse(data) as Status;
      break;
  }
}

async function listen(abort: AbortController): Promise<void> {
  const extra: Record<string, string> = lastID ? { 'Last-Event-ID': lastID } : {};
  const sent = headers();
  const response = await fetch('/api/v1/events', { headers: { ...sent, ...extra, Accept: 'text/event-stream' }, signal: abort.signal, cache: 'no-store' });
  if (!response.ok || !response.body) throw await refusal(response, sent);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  let watchdog = setTimeout(() => abort.abort(), silentAfter);
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      clearTimeout(watchdog);
      watchdog = setTimeout(() => abort.abort(), silentAfter);
      rest += value;
      for (let end = rest.indexOf('\n\n'); end >= 0; end = rest.indexOf('\n\n')) {
        frame(rest.slice(0, end));
        rest = rest.slice(end + 2);
      }
    }
  } finally {
    clearTimeout(watchdog);
  }
}

function frame(text: string): void {
  let kind = 'message';
  let data = '';
  for (const line of text.split('\n')) {
    if (line.startsWith('event: ')) kind = line.slice(7);
    else if (line.startsWith('data: ')) data += line.slice(6);
    else if (line.startsWith('id: ')) lastID = line.slice(4);
  }
  if (data) take(kind, data);
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function run(): Promise<void> {
  if (running) return;
  running = true;
  let failures = 0;
  while (wanted) {
    current = new AbortController();
    try {
      await listen(current);
      failures = 0;
    } catch {
      failures++;
    }
    if (!wanted) break;
    if (link.value === 'live') failures = 1;
    link.value = 'stopped';
    await pause(Math.min(400 * 2 ** Math.min(failures, 4), 4000));
  }
  link.value = 'resting';
  running = false;
}

/** Starts listening, and stops while nobody looks. */
export function startEvents(): void {
  void run();
  let timer: ReturnType<typeof setTimeout> | undefined;
  document.addEventListener('visibilitychange', () => {
    clearTimeout(timer);
    if (document.visibilityState === 'hidden') {
      timer = setTimeout(() => {
        wanted = false;
        current?.abort();
      }, restAfter);
      return;
    }
    wanted = true;
    void run();
  });
}
