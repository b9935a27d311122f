// The list of sessions: found, filtered, sorted, a page at a time. Sorting and paging are the database's, so that it
// does not matter how many there are.
import { useEffect, useRef, useState } from 'preact/hooks';
import { projectName } from '../state/projects';
import { here_, path, query, set } from '../state/url';
import { ago, compact, count, counted, modelName, money, num, seconds, words } from '../ui/format';
import { useNow, usePanel } from '../ui/hooks';
import { Panel } from '../ui/panel';
import { Strip, stripPhone } from '../ui/strip';
import { type Sort, Table, tableHeight, type TableColumn } from '../ui/table';
import { sessionPath } from '../shell/pages';

export interface SessionRow {
  session_id: string; title: string | null; project_id: string; session_start: string; session_end: string; duration_seconds: number; active_seconds: number;
  message_count: number; human_prompt_count: number; tool_call_count: number; tool_error_count: number; tool_pending_count: number; total_tokens: number;
  primary_model: string | null; primary_task_category: string | null; git_branch: string | null; subagent_count: number; api_error_count: number;
  cost_usd: number; unpriced_requests: number; lower_bound_requests: number; incomplete_requests: number;
  sessions: number; all_cost_usd: number; all_tokens: number;
}

const pageSize = 50;
const mostPages = 200_000; // how far the service counts
const orders: [string, string][] = [['latest', 'Latest first'], ['cost', 'Most expensive'], ['tokens', 'Most tokens'], ['errors', 'Most errors'], ['duration', 'Longest active'], ['messages', 'Most messages']];

export function Sessions() {
  return (
    <div class="grid">
      <Running />
      <List />
    </div>
  );
}

export const sessionName = (row: { title: string | null; session_id: string }): string => row.title?.trim() || `Untitled ${row.session_id.slice(0, 8)}`;

/** What a column is called where sessions are sorted by it. */
const orderOf: Record<string, string> = {
  title: 'title', project_id: 'project', git_branch: 'branch', primary_model: 'model', primary_task_category: 'work', session_end: 'latest', active_seconds: 'duration',
  human_prompt_count: 'prompts', tool_call_count: 'calls', tool_error_count: 'errors', total_tokens: 'tokens', cost_usd: 'cost',
};
const byLetters = new Set(['title', 'project', 'branch', 'model', 'work']);

/** An order as the service is asked for it: figures begin with the largest, letters with A, and a dash turns it round. */
function sortOf(order: string): Sort | undefined {
  const key = order.replace(/^-/, '');
  const column = Object.keys(orderOf).find((name) => orderOf[name] === key);
  return column ? { name: column, down: order.startsWith('-') === byLetters.has(key) } : undefined;
}

function orderBy({ name, down }: Sort): string {
  const key = orderOf[name]!;
  return down === byLetters.has(key) ? `-${key}` : key;
}

const running = 15 * 60_000;
const wrong = 5 * 60_000; // so far ahead no clock is by being a little wrong

/** By the reader's clock: what was imported today may have ended long ago, and what is to come has not begun. */
export const isRunning = (row: { session_end: string }, now: number): boolean => {
  const end = Date.parse(row.session_end);
  return end > now - running && end < now + wrong;
};

interface RunningRow extends SessionRow { running: number }

function Running() {
  const now = useNow(5000);
  const found = usePanel<RunningRow>('sessions_running', { limit: 50 });
  const live = found.answer?.rows.filter((r) => isRunning(r, now)) ?? [];
  const all = num(live[0]?.running);
  return (
    <Panel of={found} title="Running now" height={tableHeight(3)} aside={live.length > 0 && <span class="muted">{all > live.length ? `the latest ${count(live.length)} of ${count(all)}` : counted(live.length, 'session')}</span>} empty={<div class="state"><strong>Nothing has run yet</strong></div>}>
      {(found) => live.length === 0 ? (
        <div class="state"><strong>Nothing is running</strong><p>The last record is {ago(found[0]!.session_end, now)}: <a href={sessionPath(found[0]!.session_id)}>{sessionName(found[0]!)}</a></p></div>
      ) : (
        <Table name="Running now" rows={live} rowKey={(r) => r.session_id} columns={[
          { name: 'title', title: 'Session', grow: true, cell: (r) => <a href={sessionPath(r.session_id)}>{sessionName(r)}</a> },
          { name: 'project_id', title: 'Project', wideOnly: true, cell: (r) => <span title={r.project_id}>{projectName(r.project_id)}</span> },
          { name: 'session_end', title: 'Last record', cell: (r) => ago(r.session_end, now) },
          { name: 'tool_pending_count', title: 'Calls under way', numeric: true, cell: (r) => count(r.tool_pending_count) },
          { name: 'total_tokens', title: 'Tokens', numeric: true, cell: (r) => compact(r.total_tokens) },
        ]} />
      )}
    </Panel>
  );
}

function List() {
  const params = query.value;
  const search = params.get('search') ?? '';
  const order = sortOf(params.get('order') ?? '') || params.get('order')?.replace('-', '') === 'messages' ? params.get('order')! : 'latest';
  const only = params.get('only') === 'errors' ? 'errors' : '';
  const page = Math.min(mostPages, Math.max(1, Math.floor(num(params.get('page'))) || 1));
  const now = useNow(5000);
  const found = usePanel<SessionRow>('sessions', { search, order, only, limit: pageSize, offset: (page - 1) * pageSize });
  const first = found.answer?.rows[0];
  const total = num(first?.sessions);
  const pages = Math.max(1, Math.ceil(total / pageSize));
  const columns: TableColumn<SessionRow>[] = [
    { name: 'title', title: 'Session', grow: true, cell: (r) => (
      <span class="session-name">
        {isRunning(r, now) && <span class="dot" role="img" aria-label="running now" title="Running now" />}
        <a href={sessionPath(r.session_id)} title={`${sessionName(r)} · ${r.session_id}`}>{sessionName(r)}</a>
      </span>
    ) },
    { name: 'project_id', title: 'Project', wideOnly: true, cell: (r) => <span class="clip narrow" title={r.project_id}>{projectName(r.project_id)}</span> },
    { name: 'git_branch', title: 'Branch', wideOnly: true, cell: (r) => <span class="clip narrow" title={r.git_branch ?? ''}>{r.git_branch || '–'}</span> },
    { name: 'primary_model', title: 'Model', wideOnly: true, cell: (r) => modelName(r.primary_model) },
    { name: 'primary_task_category', title: 'Work', wideOnly: true, cell: (r) => words(r.primary_task_category) },
    { name: 'session_end', title: 'Last record', numeric: true, cell: (r) => <span title={r.session_end}>{ago(r.session_end, now)}</span>, by: (r) => Date.parse(r.session_end) },
    { name: 'active_seconds', title: 'Active', about: 'Without pauses of more than five minutes', numeric: true, wideOnly: true, cell: (r) => seconds(r.active_seconds) },
    { name: 'human_prompt_count', title: 'Prompts', numeric: true, wideOnly: true, cell: (r) => count(r.human_prompt_count) },
    { name: 'tool_call_count', title: 'Calls', numeric: true, wideOnly: true, cell: (r) => count(r.tool_call_count) },
    { name: 'tool_error_count', title: 'Errors', numeric: true, cell: (r) => <span class={r.tool_error_count + r.api_error_count > 0 ? 'bad' : 'muted'}>{count(r.tool_error_count + r.api_error_count)}</span>, by: (r) => r.tool_error_count + r.api_error_count },
    { name: 'total_tokens', title: 'Tokens', numeric: true, wideOnly: true, cell: (r) => compact(r.total_tokens) },
    { name: 'cost_usd', title: 'Cost', numeric: true, cell: (r) => money(r.cost_usd) },
  ];
  return (
    <>
      <Panel of={found} title="Sessions that fit" height={74} phone={stripPhone(4)} flags={[]} empty={<span />}>
        {() => (
          <Strip figures={[
            { name: 'Sessions', value: count(total) },
            { name: 'Cost', value: money(first?.all_cost_usd), about: 'Whole sessions, also what lies outside the days' },
            { name: 'Tokens', value: compact(first?.all_tokens) },
            { name: 'Cost a session', value: money(num(first?.all_cost_usd) / Math.max(1, total)) },
          ]} />
        )}
      </Panel>
      <Panel of={found} height={tableHeight(20, true)} empty={page > 1 ? <Beyond page={page} /> : undefined} aside={<Tools search={search} order={order} only={only} />}>
        {(rows) => (
          <Table name="Sessions" rows={rows} columns={columns} rowKey={(r) => r.session_id} sorted={{ by: sortOf(order), sort: (by) => set({ order: orderBy(by) === 'latest' ? null : orderBy(by) }) }} foot={
            <>
              <button type="button" class="button" disabled={page <= 1} onClick={() => set({ page: page > 2 ? String(page - 1) : null })}>Previous</button>
              <span class="muted">{count((page - 1) * pageSize + 1)}–{count((page - 1) * pageSize + rows.length)} of {count(total)}</span>
              <button type="button" class="button" disabled={page >= pages} onClick={() => set({ page: String(page + 1) })}>Next</button>
            </>
          } />
        )}
      </Panel>
    </>
  );
}

/** A page that a list does not have: it got shorter, or the address was typed. */
function Beyond({ page }: { page: number }) {
  return (
    <div class="state">
      <strong>There is no page {count(page)}</strong>
      <div class="row">
        <a class="button" href={here_({ page: page > 2 ? String(page - 1) : null })}>Previous</a>
        <a class="button" href={here_({ page: null })}>The first page</a>
      </div>
    </div>
  );
}

function Tools({ search, order, only }: { search: string; order: string; only: string }) {
  const [text, setText] = useState(search);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const asked = useRef(search);
  // The address may say something else than was typed here: after Back, or a link.
  useEffect(() => {
    if (search === asked.current) return;
    clearTimeout(timer.current);
    asked.current = search;
    setText(search);
  }, [search]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const look = (value: string) => {
    setText(value);
    clearTimeout(timer.current);
    const typedAt = path.value;
    timer.current = setTimeout(() => {
      if (path.value !== typedAt) return; // another page has the address already, and this one is not taken down yet
      asked.current = value;
      set({ search: value || null }, 'replace');
    }, 250);
  };
  return (
    <span class="session-tools">
      <label><span class="unseen">Search titles, ids and branches</span><input type="search" placeholder="Title, id or branch" value={text} onInput={(e) => look(e.currentTarget.value)} /></label>
      <label class="check"><input type="checkbox" checked={only === 'errors'} onChange={(e) => set({ only: e.currentTarget.checked ? 'errors' : null })} /> with errors</label>
      <label><span class="unseen">Order</span>
        <select value={order} onChange={(e) => set({ order: e.currentTarget.value === 'latest' ? null : e.currentTarget.value })}>
          {orders.map(([name, title]) => <option key={name} value={name}>{title}</option>)}
          {!orders.some(([name]) => name === order) && <option value={order}>As the columns say</option>}
        </select>
      </label>
    </span>
  );
}
