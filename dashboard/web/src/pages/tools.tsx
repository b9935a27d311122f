import { days, tools as chosenTools } from '../state/filters';
import { set, to } from '../state/url';
import { DayChart, type Series } from '../ui/chart/days';
import { Ranked } from '../ui/chart/ranked';
import { compact, count, counted, millis, moment, num, percent, words } from '../ui/format';
import { usePanel } from '../ui/hooks';
import { Panel } from '../ui/panel';
import { Strip, stripPhone } from '../ui/strip';
import { BarCell, Table, tableHeight, type TableColumn } from '../ui/table';
import { sessionPath } from '../shell/pages';
import { toDay } from './overview';

interface ToolRow {
  tool_name: string; tool_category: string | null; mcp_server: string | null; calls: number; successes: number; errors: number; timeouts: number; rejections: number; pending: number;
  success_rate: number | null; median_ms: number | null; p95_ms: number | null; sessions: number;
}
interface Recovery { tool_name: string; failures: number; repeated: number; recovered: number }
interface ErrorRow { tool_name: string; error_type: string; failures: number; sessions: number; last_at: string; last_session_id: string }
interface FailureRow { created_at: string; tool_name: string; status: string; error_type: string | null; exit_code: number | null; execution_time_ms: number | null; session_id: string; turn_number: number; tool_call_key: string; failures: number }

export function Tools() {
  return (
    <div class="grid">
      <Key />
      <ByDay />
      <Why />
      <All />
      <Failures />
    </div>
  );
}

function Key() {
  const of = usePanel<ToolRow>('tools');
  const after = usePanel<Recovery>('tool_recovery').answer?.rows ?? [];
  return (
    <Panel of={of} title="Key figures" height={74} phone={stripPhone(7)}>
      {(rows) => {
        const sum = (pick: (r: ToolRow) => number) => rows.reduce((total, r) => total + pick(r), 0);
        const calls = sum((r) => r.calls);
        const failed = sum((r) => r.errors + r.timeouts);
        const judged = sum((r) => r.successes) + failed;
        const recovered = after.reduce((total, r) => total + r.recovered, 0);
        const repeated = after.reduce((total, r) => total + r.repeated, 0);
        const failures = after.reduce((total, r) => total + r.failures, 0);
        const worst = rows.filter((r) => r.calls >= 20).sort((a, b) => num(a.success_rate) - num(b.success_rate))[0];
        return (
          <Strip figures={[
            { name: 'Calls', value: compact(calls), note: counted(rows.length, 'tool') },
            { name: 'Failed', value: percent(judged ? failed / judged : null), note: counted(failed, 'call') },
            { name: 'Recovered', value: percent(failures ? recovered / failures : null), about: 'A later call of the same tool in the same turn succeeded', note: 'of the failed' },
            { name: 'Repeated at once', value: percent(failures ? repeated / failures : null), about: 'The next call was of the same tool', note: 'of the failed' },
            { name: 'Refused by a person', value: count(sum((r) => r.rejections)) },
            { name: 'Still open', value: count(sum((r) => r.pending)) },
            { name: 'Fails most', value: worst?.tool_name ?? '–', note: worst ? `${percent(1 - num(worst.success_rate))} of ${count(worst.calls)}` : undefined, href: worst && to('/tools', { tool: worst.tool_name }), about: 'Of the tools with 20 calls or more' },
          ]} />
        );
      }}
    </Panel>
  );
}

/** The series of a chart: the biggest by their sum, the rest as one. */
export function seriesOf<R>(rows: R[], name: (row: R) => string, at: (row: R) => string, value: (row: R) => number, most = 7): Series[] {
  const sums = new Map<string, number>();
  for (const row of rows) sums.set(name(row), (sums.get(name(row)) ?? 0) + value(row));
  const big = [...sums].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0])).slice(0, most).map(([n]) => n);
  const out = new Map(big.map((n): [string, Series] => [n, { name: n, values: new Map() }]));
  for (const row of rows) {
    let into = out.get(name(row));
    if (!into) {
      into = out.get('other') ?? { name: 'other', values: new Map() };
      out.set('other', into);
    }
    into.values.set(at(row), (into.values.get(at(row)) ?? 0) + value(row));
  }
  return [...out.values()];
}

function ByDay() {
  const of = usePanel<{ date_key: string; tool_category: string | null; calls: number; errors: number }>('tools_by_day');
  return (
    <Panel of={of} height={240} span={7} chart>
      {(rows) => (
        <DayChart label="Calls by day and category of tool" height={240} from={days.value!.from} to={days.value!.to} format={compact} open={(f, t) => toDay('/tools', f, t)}
          series={seriesOf(rows, (r) => words(r.tool_category), (r) => r.date_key, (r) => r.calls)} />
      )}
    </Panel>
  );
}

function Why() {
  const of = usePanel<ErrorRow>('tool_errors', { limit: 20 });
  return (
    <Panel of={of} height={240} span={5} empty={<div class="state"><strong>No call failed in these days</strong></div>}>
      {(rows) => (
        <Ranked label="Why calls fail" entries={rows.map((r) => ({
          key: r.tool_name + r.error_type, name: `${r.tool_name}: ${words(r.error_type)}`, value: r.failures, text: count(r.failures), note: counted(r.sessions, 'session'),
          title: `The last in a session of ${moment(r.last_at)}`, href: to(sessionPath(r.last_session_id)), color: 'var(--series-5)',
        }))} />
      )}
    </Panel>
  );
}

type Joined = ToolRow & { recovered_share: number | null; repeated_share: number | null };

function All() {
  const of = usePanel<ToolRow>('tools');
  const after = usePanel<Recovery>('tool_recovery').answer?.rows;
  const one = chosenTools.value.length === 1;
  const columns: TableColumn<Joined>[] = [
    {
      name: 'tool_name', title: 'Tool', grow: true,
      cell: (r) => <a href={to('/tools', { tool: one ? null : r.tool_name })} title={one ? 'Show all tools' : 'Show this tool alone'}>{r.tool_name}</a>,
    },
    { name: 'tool_category', title: 'Kind', wideOnly: true, cell: (r) => <span class="tag">{r.mcp_server ? `MCP ${r.mcp_server}` : words(r.tool_category)}</span> },
    { name: 'calls', title: 'Calls', numeric: true, cell: (r) => <BarCell share={most > 0 ? r.calls / most : 0}>{count(r.calls)}</BarCell> },
    { name: 'sessions', title: 'Sessions', numeric: true, wideOnly: true, cell: (r) => count(r.sessions) },
    { name: 'errors', title: 'Failed', numeric: true, by: (r) => r.errors + r.timeouts, cell: (r) => (r.errors + r.timeouts ? <a href={to('/tools', { tool: r.tool_name })}>{count(r.errors + r.timeouts)}</a> : '0') },
    { name: 'success_rate', title: 'Failure rate', about: 'Of the calls that succeeded, failed or timed out', numeric: true, by: (r) => (r.success_rate === null ? -1 : 1 - r.success_rate), cell: (r) => <span class={r.success_rate !== null && r.success_rate < 0.9 ? 'bad' : ''}>{percent(r.success_rate === null ? null : 1 - r.success_rate)}</span> },
    { name: 'repeated_share', title: 'Repeated', about: 'Failures after which the next call was of the same tool', numeric: true, wideOnly: true, cell: (r) => percent(r.repeated_share, 0) },
    { name: 'recovered_share', title: 'Recovered', about: 'Failures after which a call of the same tool succeeded in the same turn', numeric: true, wideOnly: true, cell: (r) => percent(r.recovered_share, 0) },
    { name: 'median_ms', title: 'Median', numeric: true, wideOnly: true, cell: (r) => millis(r.median_ms) },
    { name: 'p95_ms', title: '95 %', about: '95 of 100 calls were quicker; the wait for a person may be in it', numeric: true, cell: (r) => millis(r.p95_ms) },
  ];
  let most = 0;
  return (
    <Panel of={of} height={tableHeight(12, true)} aside={one && <a href={to('/tools', { tool: null })}>Show all tools</a>}>
      {(rows) => {
        most = Math.max(...rows.map((r) => r.calls));
        const by = new Map(after?.map((r) => [r.tool_name, r]));
        const joined = rows.map((r): Joined => {
          const a = by.get(r.tool_name);
          return { ...r, recovered_share: a ? a.recovered / a.failures : null, repeated_share: a ? a.repeated / a.failures : null };
        });
        return <Table name="Tools" columns={columns} rows={joined} page={12} sort={{ name: 'calls', down: true }} rowKey={(r) => r.tool_name} />;
      }}
    </Panel>
  );
}

const failureColumns: TableColumn<FailureRow>[] = [
  { name: 'created_at', title: 'When', cell: (r) => moment(r.created_at) },
  { name: 'tool_name', title: 'Tool', cell: (r) => <button type="button" class="link" onClick={() => set({ tool: r.tool_name })}>{r.tool_name}</button> },
  { name: 'error_type', title: 'Why', grow: true, cell: (r) => <>{words(r.error_type ?? r.status)}{r.exit_code !== null && <span class="muted"> exit {r.exit_code}</span>}</> },
  { name: 'execution_time_ms', title: 'Took', numeric: true, wideOnly: true, cell: (r) => millis(r.execution_time_ms) },
  { name: 'session_id', title: 'Session', numeric: true, cell: (r) => <a href={to(sessionPath(r.session_id))}>turn {r.turn_number}</a> },
];

function Failures() {
  const of = usePanel<FailureRow>('tool_failures', { limit: 200 });
  return (
    <Panel of={of} height={tableHeight(10, true)} empty={<div class="state"><strong>No call failed in these days</strong></div>}>
      {(rows) => <Table name="Failed calls" columns={failureColumns} rows={rows} page={10} of={num(rows[0]?.failures)} rowKey={(r) => r.tool_call_key} />}
    </Panel>
  );
}
