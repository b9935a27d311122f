// Is the data complete, and is it fresh? Every part says how it stands and, where something is wrong, what to do about it.
import { useState } from 'preact/hooks';
import { link, status } from '../api/events';
import type { Status } from '../api/status';
import { ago, bytes, clock, compact, count, counted, millis, moment, num, seconds, words } from '../ui/format';
import { useNow, usePanel } from '../ui/hooks';
import { Panel } from '../ui/panel';
import { Table, tableHeight } from '../ui/table';
import { DeadLetters } from './letters';

/** What this page reads of the status beyond what all pages do. */
interface Full extends Omit<Status, 'sources' | 'models' | 'sink' | 'stream' | 'published'> {
  sources?: { lane: string; kind: string; state: string; detail?: string; files: number; documents: number; bytes: number; dead_letters: number; lag_bytes: number; half_lines: number; unreadable: number; caught_up: boolean; last_publish?: string; folders?: { path: string; exists: boolean }[]; collection?: { namespace?: string } }[];
  stream?: { first_seq: number; last_seq: number; messages: number; bytes: number; dead_letters: number };
  sink?: { state: string; epoch: number; epoch_reason?: string; error?: string; lake: Destination; warehouse: Destination; files?: { files: number; rows: number; bytes: number; faults: number }; faults?: { Path?: string; path?: string; Problem?: string; problem?: string; Remedy?: string; remedy?: string }[] };
  models?: { running?: boolean; last?: { kind: string; reason: string; finished: string; seconds: number; changed_sessions?: number }; failures?: number; last_error?: string; newest?: string; tests?: { passed: number; warned: number; failed: number; due: number } };
  verify?: { last?: { finished: string; outcome: string; differences: number; error?: string; repairs?: string[] }; progress: { running: boolean; what?: string } };
  published?: { refresh?: number; published_at?: string; bytes?: number; seconds?: number; copies?: number; failures?: number; pending?: boolean; error?: string };
  redaction?: { on: boolean; rules: number };
  faults?: string[];
}

interface Destination { seq: number; seen: number; lag: number; rows: number; dead_letters: number; newest?: string; last_at?: string; error?: string; error_since?: string; attempts?: number }

type Tone = 'good' | 'warn' | 'bad' | 'off';

interface Part {
  name: string;
  tone: Tone;
  state: string;
  facts: [string, string][];
  /** What is wrong, and what to do. */
  problem?: string | undefined;
  remedy?: string | undefined;
  command?: string | undefined;
}

export function Pipeline() {
  const s = status.value as Full | undefined;
  const now = useNow();
  return (
    <div class="grid">
      <section class="panel span-12 parts" aria-label="The parts, in the order of the data" data-panel="parts">
        <header><h2>From the sources to this page</h2><div class="aside muted">{s ? `${s.command} ${s.version} since ${moment(s.started)}` : ''}</div></header>
        {s ? <ol>{parts(s, now).map((p) => <PartCard key={p.name} part={p} />)}</ol> : <div class="skeleton parts-wait" role="status" aria-label="Loading" />}
      </section>
      {/* How high the parts are depends on them, so what is below comes with them. */}
      {s && (
        <>
          <DeadLetters total={s?.stream?.dead_letters} />
          <Refreshes />
          <Tests />
          <Runs />
          <Gaps />
          <Models />
        </>
      )}
    </div>
  );
}

function parts(s: Full, now: number): Part[] {
  const out: Part[] = [];
  if (link.value === 'stopped') out.push({ name: 'This page', tone: 'bad', state: 'not connected', facts: [], problem: 'The service does not answer; what stands here is what it last said.', remedy: 'Start it again; this page connects by itself.', command: 'claude-analytics up' });
  for (const source of s.sources ?? []) out.push(sourcePart(source, now));
  if (!s.sources?.length) out.push({ name: 'Sources', tone: 'off', state: 'none here', facts: [], remedy: 'Sources run elsewhere, or none is set.', command: 'claude-analytics up --transcripts ~/.claude/projects' });
  if (s.stream) out.push({ name: 'Stream', tone: 'good', state: 'connected', facts: [['messages', compact(s.stream.messages)], ['size', bytes(s.stream.bytes)], ['newest', `no. ${count(s.stream.last_seq)}`]] });
  if (s.sink) out.push(...sinkParts(s, now));
  out.push(modelPart(s, now), testPart(s), verifyPart(s, now), copyPart(s, now));
  if (s.redaction && !s.redaction.on) out.push({ name: 'Redaction', tone: 'warn', state: 'off', facts: [], problem: 'Secrets in conversations are kept as they are.', remedy: 'Set REDACT=on and start again; what was read before keeps its secrets until it is read anew.', command: 'claude-analytics extract --full-backfill' });
  for (const fault of s.faults ?? []) out.push({ name: 'Fault', tone: 'bad', state: 'failed', facts: [], problem: fault, command: 'claude-analytics doctor' });
  return out;
}

type Source = NonNullable<Full['sources']>[number];

function sourcePart(source: Source, now: number): Part {
  const missing = source.folders?.find((f) => !f.exists);
  const failed = source.state === 'failed' || source.state === 'retrying';
  const part: Part = {
    name: `Source ${source.lane}`, state: source.caught_up && !failed ? 'caught up' : words(source.state),
    tone: source.state === 'failed' ? 'bad' : failed || source.unreadable > 0 || missing ? 'warn' : 'good',
    facts: [
      source.collection ? ['collection', source.collection.namespace ?? '–'] : ['files', count(source.files)],
      ['behind', source.lag_bytes ? bytes(source.lag_bytes) : 'nothing'],
      ['last published', source.last_publish ? ago(source.last_publish, now) : 'nothing since the start'],
    ],
  };
  if (failed) Object.assign(part, { problem: source.detail || 'It cannot be read.', remedy: source.collection ? 'MongoDB is asked again by itself; look whether it runs and MONGO_URI is right.' : 'It is tried again by itself; see what doctor finds.', command: 'claude-analytics doctor' });
  else if (missing) Object.assign(part, { problem: `${missing.path} is not there (yet).`, remedy: 'It is taken up as soon as it appears; otherwise set TRANSCRIPTS_DIR.', command: 'claude-analytics config' });
  else if (source.unreadable > 0) Object.assign(part, { problem: `${count(source.unreadable)} files cannot be read.`, remedy: 'Give the service the right to read them; it tries again.', command: 'claude-analytics doctor' });
  return part;
}

function sinkParts(s: Full, now: number): Part[] {
  const sink = s.sink!;
  const one = (name: string, d: Destination, facts: [string, string][]): Part => ({
    name, tone: d.error || sink.error ? 'bad' : d.lag > 20_000 ? 'warn' : 'good', state: d.error ? `retrying (${count(d.attempts)})` : d.lag > 0 ? `${compact(d.lag)} behind` : d.lag < 0 ? 'not known yet' : 'up to date',
    facts: [['behind', d.lag > 0 ? counted(d.lag, 'message') : 'nothing'], ['last batch', d.last_at ? ago(d.last_at, now) : 'none since the start'], ...facts],
    problem: d.error || (sink.error ? sink.error : d.lag > 20_000 ? 'Much has arrived at once; it is being worked off.' : undefined),
    remedy: d.error || sink.error ? 'It is tried again by itself, and nothing is lost; doctor names full disks and missing rights.' : undefined,
    command: d.error || sink.error ? 'claude-analytics doctor' : undefined,
  });
  const lake = one('Lake', sink.lake, sink.files ? [['kept', `${compact(sink.files.rows)} rows, ${bytes(sink.files.bytes)}, ${count(sink.files.files)} files`]] : []);
  if (sink.files && sink.files.faults > 0) Object.assign(lake, { tone: 'bad', problem: `${count(sink.files.faults)} things are wrong with the lake's folder.`, remedy: 'See each, with its repair.', command: 'claude-analytics verify' });
  const warehouse = one('Warehouse', sink.warehouse, [['epoch', count(sink.epoch)]]);
  if (sink.state !== 'running') warehouse.state = words(sink.state);
  return [lake, warehouse];
}

function modelPart(s: Full, now: number): Part {
  const m = s.models;
  if (!m) return { name: 'Models', tone: 'off', state: 'starting', facts: [] };
  const failing = num(m.failures) > 0;
  return {
    name: 'Models', tone: failing ? 'bad' : 'good', state: m.running ? 'refreshing' : failing ? 'failing' : 'fresh',
    facts: [['last refresh', m.last ? `${ago(m.last.finished, now)}, ${seconds(m.last.seconds)}` : 'none since the start'], ['newest document', m.newest ? ago(m.newest, now) : 'none'], ['kind', m.last ? `${words(m.last.kind)}, ${words(m.last.reason)}` : '–']],
    problem: failing ? `${count(m.failures)} refreshes in a row failed: ${m.last_error ?? ''}` : undefined,
    remedy: failing ? 'The last good marts stay. Once the cause is mended:' : undefined, command: failing ? 'claude-analytics transform --full-refresh' : undefined,
  };
}

function testPart(s: Full): Part {
  const t = s.models?.tests;
  if (!t) return { name: 'Tests', tone: 'off', state: 'not run yet', facts: [] };
  return {
    name: 'Tests', tone: t.failed ? 'bad' : t.warned ? 'warn' : 'good', state: t.failed ? `${count(t.failed)} fail` : t.warned ? `${count(t.warned)} warn` : 'all pass',
    facts: [['passed', count(t.passed)], ['warned', count(t.warned)], ['failed', count(t.failed)]],
    problem: t.failed ? 'Some rows break a rule; which stands below.' : undefined, remedy: t.failed ? 'See what differs from the source:' : undefined, command: t.failed ? 'claude-analytics verify --deep' : undefined,
  };
}

function verifyPart(s: Full, now: number): Part {
  const last = s.verify?.last;
  if (!last) return { name: 'Completeness', tone: 'off', state: 'not compared yet', facts: [], remedy: 'The service compares source, stream, lake, warehouse and marts hourly; at once with', command: 'claude-analytics verify' };
  const well = last.outcome === 'clean';
  const running = s.verify?.progress.running;
  return {
    name: 'Completeness', tone: well ? 'good' : last.outcome === 'partly' ? 'warn' : 'bad', state: running ? `comparing${s.verify?.progress.what ? ` ${s.verify.progress.what}` : ''}` : well ? 'nothing missing' : words(last.outcome),
    facts: [['compared', ago(last.finished, now)], ['differences', count(last.differences)]],
    problem: well ? undefined : last.error || 'Source, stream, lake, warehouse or marts do not agree.',
    remedy: well ? undefined : last.repairs?.length ? `What repairs it, in this order (${last.repairs.length}):` : 'Each difference, with the command that repairs it:',
    command: well ? undefined : (last.repairs?.[0] ?? 'claude-analytics verify'),
  };
}

function copyPart(s: Full, now: number): Part {
  const p = s.published;
  if (!p) return { name: 'Published copy', tone: 'off', state: 'starting', facts: [] };
  return {
    name: 'Published copy', tone: p.error ? 'bad' : 'good', state: p.error ? 'failing' : p.pending ? 'next one is due' : 'up to date',
    facts: [['made', p.published_at ? `${ago(p.published_at, now)}${p.seconds ? `, in ${seconds(p.seconds)}` : ''}` : 'not yet'], ['size', bytes(p.bytes)]],
    problem: p.error, remedy: p.error ? 'The copy before stays in use, and it is tried again every 30 s; mostly the disk is full.' : undefined, command: p.error ? 'claude-analytics doctor' : undefined,
  };
}

const marks: Record<Tone, string> = { good: '●', warn: '▲', bad: '■', off: '○' };

function PartCard({ part }: { part: Part }) {
  return (
    <li class={`part is-${part.tone}`}>
      <h3>{part.name}</h3>
      <strong class={part.tone === 'off' ? 'muted' : part.tone}><span aria-hidden="true">{marks[part.tone]}</span> {part.state}</strong>
      {part.facts.length > 0 && <dl>{part.facts.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>}
      {part.problem && <p class={part.tone === 'bad' ? 'bad' : 'warn'}>{part.problem}</p>}
      {part.remedy && <p class="muted">{part.remedy}</p>}
      {part.command && <Command text={part.command} />}
    </li>
  );
}

/** A command to type, with a button that copies it. */
export function Command({ text }: { text: string }) {
  const [said, setSaid] = useState('');
  return (
    <span class="command">
      <code>{text}</code>
      <button type="button" class="link" aria-label={`Copy ${text}`} onClick={() => navigator.clipboard.writeText(text).then(() => setSaid('copied'), () => setSaid('not allowed'))}>{said || 'copy'}</button>
    </span>
  );
}

interface Refresh { id: number; started_at: string; finished_at: string | null; milliseconds: number | null; kind: string; reason: string; changed_sessions: number | null; sessions: number | null; error: string | null }

function Refreshes() {
  const refreshes = usePanel<Refresh>('refreshes', { limit: 100 }, { filters: false });
  return (
    <Panel of={refreshes} span={6} height={tableHeight(8, true)} empty={<div class="state"><strong>None yet</strong><p>The first follows the first documents.</p></div>}>
      {(rows, answer) => (
        <Table name="Refreshes" rows={rows} page={8} cut={answer.truncated} columns={[
          { name: 'started_at', title: 'Began', cell: (r) => <span title={moment(r.started_at)}>{clock(r.started_at)}</span> },
          { name: 'kind', title: 'Kind', grow: true, cell: (r) => <span class={r.error ? 'bad' : ''} title={r.error ?? ''}>{r.error ? `failed: ${r.error}` : `${words(r.kind)}, ${words(r.reason)}`}</span> },
          { name: 'changed_sessions', title: 'Changed', about: 'Sessions with new documents', numeric: true, cell: (r) => count(r.changed_sessions) },
          { name: 'sessions', title: 'Rebuilt', about: 'Sessions whose rows were computed anew', numeric: true, wideOnly: true, cell: (r) => count(r.sessions) },
          { name: 'milliseconds', title: 'Took', numeric: true, cell: (r) => millis(r.milliseconds) },
        ]} />
      )}
    </Panel>
  );
}

interface Test { status: string; name: string; model: string; column_name: string | null; kind: string; severity: string; failures: number | null; message: string | null; tested_at: string }

function Tests() {
  const tests = usePanel<Test>('tests', {}, { filters: false });
  return (
    <Panel of={tests} span={6} height={tableHeight(8, true)} empty={<div class="state"><strong>Not run yet</strong><p>They follow the first refresh.</p></div>}>
      {(rows) => (
        <Table name="Tests" rows={rows} page={8} columns={[
          { name: 'status', title: 'Result', cell: (r) => <span class={`tag ${r.status === 'fail' || r.status === 'error' ? 'bad' : r.status === 'warn' ? 'warn' : ''}`}>{r.status}</span> },
          { name: 'name', title: 'Test', grow: true, cell: (r) => <span title={r.message ?? r.name}>{words(r.name)}</span> },
          { name: 'failures', title: 'Rows', numeric: true, cell: (r) => count(r.failures) },
          { name: 'tested_at', title: 'At', wideOnly: true, cell: (r) => <span title={moment(r.tested_at)}>{clock(r.tested_at)}</span> },
        ]} />
      )}
    </Panel>
  );
}

interface Run { kind: string; started_at: string; milliseconds: number; status: string; detail: string | null }

function Runs() {
  const runs = usePanel<Run>('runs', { limit: 50 }, { filters: false });
  return (
    <Panel of={runs} span={6} height={tableHeight(5, true)} empty={<div class="state"><strong>Nothing was compared yet</strong><Command text="claude-analytics verify" /></div>}>
      {(rows, answer) => (
        <Table name="Runs" rows={rows} page={5} cut={answer.truncated} columns={[
          { name: 'started_at', title: 'Began', cell: (r) => moment(r.started_at) },
          { name: 'kind', title: 'What', cell: (r) => words(r.kind) },
          { name: 'status', title: 'Found', cell: (r) => <span class={`tag ${r.status === 'clean' ? '' : r.status === 'partly' ? 'warn' : 'bad'}`}>{r.status}</span> },
          { name: 'detail', title: 'In short', grow: true, wideOnly: true, cell: (r) => <span title={r.detail ?? ''}>{r.detail ?? '–'}</span> },
          { name: 'milliseconds', title: 'Took', numeric: true, cell: (r) => millis(r.milliseconds) },
        ]} />
      )}
    </Panel>
  );
}

interface Gap { found_at: string; kind: string; source: string | null; namespace: string | null; reason: string; action: string | null; detail: string | null; destination: string | null; from_seq: number | null; to_seq: number | null }

function Gaps() {
  const gaps = usePanel<Gap>('gaps', { limit: 50 }, { filters: false });
  return (
    <Panel of={gaps} span={6} height={tableHeight(5, true)} empty={<div class="state"><strong class="good">No gap is known</strong><p>Nothing that a source wrote is missing for good.</p></div>}>
      {(rows, answer) => (
        <Table name="Gaps" rows={rows} page={5} cut={answer.truncated} columns={[
          { name: 'found_at', title: 'Found', cell: (r) => moment(r.found_at) },
          { name: 'source', title: 'Where', cell: (r) => (r.kind === 'source' ? `${r.source ?? ''} ${r.namespace ?? ''}` : `${r.destination ?? ''}: ${count(r.from_seq)}–${count(r.to_seq)}`) },
          { name: 'reason', title: 'Why', grow: true, cell: (r) => <span title={r.detail ?? ''}>{words(r.reason)}{r.action ? `, ${words(r.action)}` : ''}</span> },
          { name: 'action', title: 'To do', cell: () => <Command text="claude-analytics extract --full-backfill" /> },
        ]} />
      )}
    </Panel>
  );
}

interface Build { name: string; schema: string; materialized: string; stale: boolean; refresh_id: number | null; built_at: string | null }

function Models() {
  const models = usePanel<Build>('model_builds', {}, { filters: false });
  return (
    <Panel of={models} height={tableHeight(10, true)} empty={<div class="state">Not built yet</div>}>
      {(rows) => (
        <Table name="Models" rows={rows} page={10} columns={[
          { name: 'name', title: 'Model', grow: true, cell: (r) => `${r.schema}.${r.name}` },
          { name: 'materialized', title: 'Kept as', wideOnly: true, cell: (r) => words(r.materialized) },
          { name: 'stale', title: 'State', cell: (r) => (r.stale ? <span class="tag warn">waits for a refresh</span> : <span class="tag">current</span>) },
          { name: 'refresh_id', title: 'Refresh', numeric: true, cell: (r) => count(r.refresh_id) },
          { name: 'built_at', title: 'Built', wideOnly: true, cell: (r) => moment(r.built_at) },
        ]} />
      )}
    </Panel>
  );
}

