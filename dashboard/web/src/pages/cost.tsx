import { days } from '../state/filters';
import { projectName } from '../state/projects';
import { query, set, to } from '../state/url';
import { daysBetween } from '../state/zone';
import { DayChart } from '../ui/chart/days';
import { type Entry, Ranked, rankedHeight } from '../ui/chart/ranked';
import { compact, count, counted, modelName, money, moment, num, percent } from '../ui/format';
import { usePanel } from '../ui/hooks';
import { Panel } from '../ui/panel';
import { Strip, stripPhone, Switch } from '../ui/strip';
import { BarCell, Table, tableHeight, type TableColumn } from '../ui/table';
import { sessionPath } from '../shell/pages';
import { seriesOf } from './tools';
import { toDay } from './overview';

interface Total { period: string; api_requests: number; cost_usd: number; unpriced_requests: number; total_tokens: number; lower_bound_requests: number }
interface ByDay { date_key: string; model: string; cost_usd: number; total_tokens: number; unpriced_requests: number; lower_bound_requests: number }
interface ByProject { project_id: string; api_requests: number; cost_usd: number; total_tokens: number; projects: number; all_cost_usd: number; all_tokens: number }
interface ByModel { model: string; api_requests: number; cost_usd: number; total_tokens: number; models: number; all_cost_usd: number; all_tokens: number }
interface Cache { model: string; prompt_tokens: number; cache_read_tokens: number; cache_read_share: number | null; saved_usd: number | null }

type Measure = 'cost' | 'tokens';
const measure = (): Measure => (query.value.get('measure') === 'tokens' ? 'tokens' : 'cost');
const value = (r: { cost_usd: number; total_tokens: number }) => num(measure() === 'cost' ? r.cost_usd : r.total_tokens);
const text = (v: unknown) => (measure() === 'cost' ? money(v) : compact(v));

function MeasureSwitch() {
  return <Switch<Measure> label="Cost or tokens" value={measure()} options={[['cost', 'Cost'], ['tokens', 'Tokens']]} onChange={(v) => set({ measure: v === 'cost' ? null : v }, 'replace')} />;
}

export function Cost() {
  return (
    <div class="grid">
      <Key />
      <Along />
      <Projects />
      <Models />
      <SpentOn />
      <CacheUse />
      <Blocks />
    </div>
  );
}

function Key() {
  const of = usePanel<Total>('cost_totals');
  const cache = usePanel<Cache>('cache_use').answer?.rows;
  return (
    <Panel of={of} title="Key figures" height={74} phone={stripPhone(7)}>
      {(rows) => {
        const now = rows.find((r) => r.period === 'current');
        const before = rows.find((r) => r.period === 'before');
        const shown = days.value!;
        const length = daysBetween(shown.from, shown.to) + 1;
        const saved = cache?.reduce((sum, r) => sum + num(r.saved_usd), 0);
        const prompt = cache?.reduce((sum, r) => sum + r.prompt_tokens, 0);
        const read = cache?.reduce((sum, r) => sum + r.cache_read_tokens, 0);
        const spent = num(now?.cost_usd);
        return (
          <Strip figures={[
            { name: 'Cost', value: money(spent), now: spent, before: num(before?.cost_usd), about: 'US dollars at list price' },
            { name: 'A day', value: money(spent / length), note: `over ${counted(length, 'day')}` },
            { name: 'At this pace', value: money((spent / length) * 30), note: 'in 30 days', about: 'The average of these days, thirty times' },
            { name: 'A request', value: money(spent / Math.max(1, num(now?.api_requests))), note: counted(now?.api_requests, 'request', compact) },
            { name: 'Tokens', value: compact(now?.total_tokens), now: num(now?.total_tokens), before: num(before?.total_tokens) },
            { name: 'Read from the cache', value: percent(prompt ? num(read) / prompt : null), note: 'of the prompts' },
            { name: 'Saved by the cache', value: saved === undefined ? '–' : money(saved), about: 'Against the same tokens as plain input, writing to the cache taken off' },
          ]} />
        );
      }}
    </Panel>
  );
}

function Along() {
  const of = usePanel<ByDay>('cost_by_day');
  return (
    <Panel of={of} title={measure() === 'cost' ? 'Cost by day and model' : 'Tokens by day and model'} height={260} chart aside={<MeasureSwitch />}>
      {(rows) => (
        <DayChart label={`${measure()} by day and model`} height={260} from={days.value!.from} to={days.value!.to} format={text} open={(f, t) => toDay('/cost', f, t)}
          series={seriesOf(rows, (r) => r.model, (r) => r.date_key, value).map((s) => ({ ...s, name: s.name === 'other' ? s.name : modelName(s.name), href: s.name === 'other' ? undefined : to('/cost', { model: s.name }) }))} />
      )}
    </Panel>
  );
}

/** The entries with their share of the whole, and what the service left out as one. */
function shares<R extends { cost_usd: number; total_tokens: number; all_cost_usd: number; all_tokens: number }>(rows: R[], many: number, what: string, entry: (row: R) => Omit<Entry, 'value' | 'text' | 'note'>): Entry[] {
  const all = value({ cost_usd: rows[0]?.all_cost_usd ?? 0, total_tokens: rows[0]?.all_tokens ?? 0 });
  const share = (of: number) => ({ value: of, text: text(of), note: percent(all ? of / all : null) });
  const named = [...rows].sort((a, b) => value(b) - value(a)).map((r): Entry => ({ ...entry(r), ...share(value(r)) }));
  const others = many - rows.length;
  if (others > 0) named.push({ key: ' others', name: `${counted(others, 'other')} of ${count(many)} ${what}`, ...share(all - rows.reduce((sum, r) => sum + value(r), 0)) });
  return named;
}

function Projects() {
  const of = usePanel<ByProject>('cost_by_project', { limit: 50 });
  return (
    <Panel of={of} height={rankedHeight(8)} span={6}>
      {(rows) => <Ranked label="Cost by project" entries={shares(rows, num(rows[0]?.projects), 'projects', (r) => ({ key: r.project_id, name: projectName(r.project_id), title: r.project_id, href: to('/cost', { project: r.project_id }) }))} />}
    </Panel>
  );
}

function Models() {
  const of = usePanel<ByModel>('cost_by_model', { limit: 50 });
  return (
    <Panel of={of} height={rankedHeight(8)} span={6}>
      {(rows) => <Ranked label="Cost by model" entries={shares(rows, num(rows[0]?.models), 'models', (r) => ({ key: r.model, name: modelName(r.model), title: r.model, href: to('/cost', { model: r.model }) }))} />}
    </Panel>
  );
}

interface Share { dimension: string; name: string; cost_usd: number; total_tokens: number; shares: number; unpriced_shares: number; dearest_session_id: string | null }

const dimensions: [string, string][] = [
  ['tool', 'Tool'], ['mcp_server', 'MCP server'], ['skill', 'Skill'], ['subagent', 'Sub-agent'], ['branch', 'Branch'], ['ticket', 'Ticket'], ['commit', 'Commit'], ['pull_request', 'Pull request'], ['work', 'Kind of work'],
];

function SpentOn() {
  const of = usePanel<Share>('cost_attribution');
  const chosen = query.value.get('on') ?? 'tool';
  const title = dimensions.find(([key]) => key === chosen)?.[1] ?? 'Tool';
  const columns: TableColumn<Share>[] = [
    { name: 'name', title, grow: true, cell: (r) => (chosen === 'tool' && r.name !== 'answer' && !r.name.startsWith('(') ? <a href={to('/cost', { tool: r.name })}>{r.name}</a> : <span class={r.name.startsWith('(') || r.name === 'answer' ? 'muted' : ''} title={r.name}>{r.name.replace(/^https?:\/\//, '')}</span>) },
    { name: 'cost_usd', title: 'Cost', numeric: true, cell: (r) => <BarCell share={most ? num(r.cost_usd) / most : 0}>{money(r.cost_usd)}</BarCell> },
    { name: 'total_tokens', title: 'Tokens', numeric: true, cell: (r) => compact(r.total_tokens) },
    { name: 'shares', title: 'Calls and answers', numeric: true, wideOnly: true, cell: (r) => count(r.shares) },
    { name: 'dearest_session_id', title: 'Dearest', numeric: true, cell: (r) => (r.dearest_session_id ? <a href={to(sessionPath(r.dearest_session_id))} aria-label={`The session with the dearest part of ${r.name}`}>session</a> : '–') },
  ];
  let most = 0;
  const flags = (of.answer?.rows ?? []).filter((r) => r.dimension === chosen).reduce((sum, r) => sum + r.unpriced_shares, 0);
  return (
    <Panel of={of} height={tableHeight(10, true)} flags={flags ? [{ count: flags, text: 'without price', detail: 'calls and answers of requests whose model has no price; they count as $0.' }] : []}
      aside={
        <select aria-label="Divided by" value={chosen} onChange={(e) => set({ on: e.currentTarget.value }, 'replace')}>
          {dimensions.map(([key, name]) => <option key={key} value={key} selected={key === chosen}>by {name.replace(/^(?!MCP)./, (c) => c.toLowerCase())}</option>)}
        </select>
      }>
      {(rows) => {
        const mine = rows.filter((r) => r.dimension === chosen);
        most = Math.max(...mine.map((r) => num(r.cost_usd)), 0);
        return <Table key={chosen} name={`Cost by ${title}`} columns={columns} rows={mine} page={10} rowKey={(r) => r.name} />;
      }}
    </Panel>
  );
}

function CacheUse() {
  const of = usePanel<Cache>('cache_use');
  return (
    <Panel of={of} height={rankedHeight(7)} span={5}>
      {(rows) => (
        <Ranked label="Share of the prompts that was read from the cache, by model" most={1} entries={rows.map((r) => ({
          key: r.model, name: modelName(r.model), title: r.model, value: num(r.cache_read_share), text: percent(r.cache_read_share), note: r.saved_usd === null ? 'no price' : `saved ${money(r.saved_usd)}`, href: to('/cost', { model: r.model }), color: 'var(--series-3)',
        }))} />
      )}
    </Panel>
  );
}

interface Block { block_start: string; block_end: string; first_request_at: string; last_request_at: string; api_requests: number; total_tokens: number; cost_usd: number; blocks: number }

const blockColumns: TableColumn<Block>[] = [
  { name: 'block_start', title: 'From', grow: true, cell: (r) => <>{moment(r.block_start)} {Date.parse(r.block_end) > Date.now() && <span class="tag warn">open</span>}</> },
  { name: 'api_requests', title: 'Requests', numeric: true, cell: (r) => count(r.api_requests) },
  { name: 'total_tokens', title: 'Tokens', numeric: true, cell: (r) => compact(r.total_tokens) },
  { name: 'cost_usd', title: 'Cost', numeric: true, cell: (r) => money(r.cost_usd) },
  { name: 'rate', title: 'An hour', about: 'Cost over the time between the first and the last request', numeric: true, wideOnly: true, by: (r) => rate(r), cell: (r) => money(rate(r)) },
];

const rate = (r: Block) => num(r.cost_usd) / Math.max(0.1, (Date.parse(r.last_request_at) - Date.parse(r.first_request_at)) / 3_600_000);

function Blocks() {
  const of = usePanel<Block>('cost_blocks', { limit: 200 });
  return (
    <Panel of={of} height={rankedHeight(7)} span={7}>
      {(rows) => <Table name="Five-hour blocks" columns={blockColumns} rows={rows} page={5} of={num(rows[0]?.blocks)} rowKey={(r) => r.block_start} />}
    </Panel>
  );
}
