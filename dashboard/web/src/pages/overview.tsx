import { days } from '../state/filters';
import { query, set, to } from '../state/url';
import { DayChart } from '../ui/chart/days';
import { Calendar, calendarHeight, HeatLegend, HeatMap } from '../ui/chart/grid';
import { Ranked, rankedHeight } from '../ui/chart/ranked';
import { ago, compact, count, counted, modelName, money, num, percent, seconds, words } from '../ui/format';
import { useNow, usePanel } from '../ui/hooks';
import { Panel } from '../ui/panel';
import { Strip, stripPhone, Switch } from '../ui/strip';
import { Table, tableHeight, type TableColumn } from '../ui/table';
import { sessionPath } from '../shell/pages';
import { isRunning } from './sessions';
import { addDays } from '../state/zone';

interface Totals { period: string; sessions: number; messages: number; prompts: number; tool_calls: number; tool_errors: number; api_requests: number; total_tokens: number; output_tokens: number; lower_bound_requests: number }
interface Money { period: string; cost_usd: number; unpriced_requests: number }
export interface DayRow { date_key: string; sessions: number; messages: number; prompts: number; tool_calls: number; tool_errors: number; api_requests: number; total_tokens: number; output_tokens: number }

export const toDay = (page: string, from: string, until: string) => to(page, { from, to: until, range: null, at: null });

export function Overview() {
  return (
    <div class="grid">
      <Key />
      <Year />
      <Days />
      <Hours />
      <Running />
      <Top />
      <Failing />
      <Work />
    </div>
  );
}

function Key() {
  const totals = usePanel<Totals>('overview_totals');
  const money_ = usePanel<Money>('cost_totals', { model: [] }); // of all models, as the figures beside it
  return (
    <Panel of={totals} title="Key figures" height={74} phone={stripPhone(7)}>
      {(rows) => {
        const now = rows.find((r) => r.period === 'current');
        const before = rows.find((r) => r.period === 'before');
        const cost = money_.answer?.rows;
        const spent = num(cost?.find((r) => r.period === 'current')?.cost_usd);
        if (!now) return null;
        return (
          <Strip figures={[
            { name: 'Cost', value: cost ? money(spent) : '–', now: spent, before: num(cost?.find((r) => r.period === 'before')?.cost_usd), href: to('/cost'), about: 'US dollars at list price' },
            { name: 'Sessions', value: count(now.sessions), now: now.sessions, before: num(before?.sessions), href: to('/sessions') },
            { name: 'Prompts', value: compact(now.prompts), now: now.prompts, before: num(before?.prompts), about: 'Typed by a person' },
            { name: 'Messages', value: compact(now.messages), now: now.messages, before: num(before?.messages) },
            { name: 'Tool calls', value: compact(now.tool_calls), now: now.tool_calls, before: num(before?.tool_calls), href: to('/tools') },
            { name: 'Failed calls', value: now.tool_calls ? percent(now.tool_errors / now.tool_calls) : '–', now: now.tool_errors / Math.max(1, now.tool_calls), before: num(before?.tool_errors) / Math.max(1, num(before?.tool_calls)), good: 'down', href: to('/tools') },
            { name: 'Tokens', value: compact(now.total_tokens), now: now.total_tokens, before: num(before?.total_tokens), href: to('/cost', {}) },
          ]} />
        );
      }}
    </Panel>
  );
}

function Year() {
  const end = days.value?.to;
  const of = usePanel<DayRow>('activity_by_day', end ? { from: addDays(end, -370) } : {});
  return (
    <Panel of={of} title="The year" height={calendarHeight} chart aside={<HeatLegend />} about="Messages and tool calls by day; the days that the page shows are underlined. A click shows one day.">
      {(rows) => (
        <Calendar label="Messages and tool calls by day, over the year" to={end!} shown={days.value} values={new Map(rows.map((r) => [r.date_key, r.messages + r.tool_calls]))}
          format={(v) => `${count(v)} messages and calls`} open={(d) => toDay('/', d, d)} />
      )}
    </Panel>
  );
}

const measures = { tokens: 'total_tokens', messages: 'messages', sessions: 'sessions', calls: 'tool_calls' } as const;

function Days() {
  const of = usePanel<DayRow>('activity_by_day');
  const by = (query.value.get('by') ?? 'messages') as keyof typeof measures;
  const column = measures[by] ?? 'messages';
  return (
    <Panel of={of} title="Activity by day" height={216} span={8} chart aside={
      <Switch label="What is counted" value={by} options={[['messages', 'Messages'], ['sessions', 'Sessions'], ['calls', 'Calls'], ['tokens', 'Tokens']]} onChange={(v) => set({ by: v }, 'replace')} />
    }>
      {(rows) => (
        <DayChart label={`${by} by day`} height={216} from={days.value!.from} to={days.value!.to} format={compact} open={(f, t) => toDay('/sessions', f, t)}
          series={column === 'tool_calls'
            ? [{ name: 'succeeded', values: new Map(rows.map((r) => [r.date_key, r.tool_calls - r.tool_errors])) }, { name: 'failed', color: 'var(--bad)', values: new Map(rows.map((r) => [r.date_key, r.tool_errors])) }]
            : [{ name: by, values: new Map(rows.map((r) => [r.date_key, num(r[column])])) }]} />
      )}
    </Panel>
  );
}

const weekdays = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];

function Hours() {
  const of = usePanel<{ day_of_week: number; hour_of_day: number; activity: number }>('activity_heatmap');
  return (
    <Panel of={of} height={216} span={4} chart>
      {(rows) => {
        const at = new Map(rows.map((r) => [r.day_of_week * 24 + r.hour_of_day, r.activity]));
        return (
          <HeatMap label="Activity by weekday and hour" height={216} rows={weekdays} columns={Array.from({ length: 24 }, (_, h) => String(h))} every={4}
            value={(r, c) => at.get(((r + 1) % 7) * 24 + c) ?? 0} format={(v) => `${count(v)} messages and calls`} title={(r, c) => `${weekdays[r]} ${c}:00–${c + 1}:00`} />
        );
      }}
    </Panel>
  );
}

interface RunningRow { session_id: string; title: string; session_end: string; message_count: number; tool_pending_count: number; total_tokens: number; running: number }

function Running() {
  const of = usePanel<RunningRow>('sessions_running', { limit: 50 });
  const now = useNow(5000);
  const live = of.answer?.rows.filter((r) => isRunning(r, now)) ?? [];
  const all = num(live[0]?.running);
  return (
    <Panel of={of} height={rankedHeight(6)} span={4} aside={<>{all > live.length && <span class="muted">the latest {count(live.length)} of {count(all)}</span>}<a href={to('/sessions')}>All sessions</a></>}>
      {(rows) => {
        const shown = live.length ? live : rows.slice(0, 1);
        return (
          <>
            {!live.length && <p class="muted">Nothing runs now. The last was:</p>}
            <Ranked label="Running now" bars={false} entries={shown.map((r) => ({
              key: r.session_id, name: r.title || r.session_id, value: 0, text: ago(r.session_end, now), note: r.tool_pending_count ? `${counted(r.tool_pending_count, 'call')} open` : undefined, href: to(sessionPath(r.session_id)),
            }))} />
          </>
        );
      }}
    </Panel>
  );
}

interface TopRow { session_id: string; title: string; active_seconds: number; api_requests: number; total_tokens: number }

const topColumns: TableColumn<TopRow>[] = [
  { name: 'title', title: 'Session', grow: true, cell: (r) => <a href={to(sessionPath(r.session_id))} title={r.title}>{r.title || r.session_id}</a> },
  { name: 'active_seconds', title: 'Active', numeric: true, wideOnly: true, cell: (r) => seconds(r.active_seconds) },
  { name: 'api_requests', title: 'Requests', numeric: true, wideOnly: true, cell: (r) => count(r.api_requests) },
  { name: 'total_tokens', title: 'Tokens', numeric: true, cell: (r) => compact(r.total_tokens) },
];

function Top() {
  const of = usePanel<TopRow>('top_sessions', { limit: 6 });
  return (
    <Panel of={of} height={tableHeight(6)} span={8}>
      {(rows) => <Table name="Sessions with most tokens" columns={topColumns} rows={rows} rowKey={(r) => r.session_id} />}
    </Panel>
  );
}

function Failing() {
  const of = usePanel<{ tool_name: string; error_type: string; failures: number; sessions: number }>('tool_errors', { limit: 6 });
  return (
    <Panel of={of} height={rankedHeight(6)} span={6} aside={<a href={to('/tools')}>All tools</a>} empty={<div class="state"><strong>No call failed</strong></div>}>
      {(rows) => <Ranked label="Why calls fail" entries={rows.map((r) => ({ key: r.tool_name + r.error_type, name: `${r.tool_name}: ${words(r.error_type)}`, value: r.failures, text: count(r.failures), note: counted(r.sessions, 'session'), href: to('/tools', { tool: r.tool_name }), color: 'var(--series-5)' }))} />}
    </Panel>
  );
}

function Work() {
  const of = usePanel<{ model: string; total_tokens: number; api_requests: number }>('models');
  return (
    <Panel of={of} height={rankedHeight(6)} span={6}>
      {(rows) => <Ranked label="Models" entries={rows.slice(0, 6).map((r) => ({ key: r.model, name: modelName(r.model), title: r.model, value: r.total_tokens, text: compact(r.total_tokens), note: counted(r.api_requests, 'request', compact), href: to('/cost', { model: r.model }) }))} />}
    </Panel>
  );
}
