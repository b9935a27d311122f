// One session: its figures, what happened in it as it happens, and beside that its turns, sub-agents, tools and git operations.
import { useMemo, useState } from 'preact/hooks';
import { sessionOf, sessionPath } from '../shell/pages';
import { CostChart } from '../session/costs';
import type { AgentRun } from '../session/step';
import { Timeline } from '../session/timeline';
import { projectName } from '../state/projects';
import { path, query, set, to } from '../state/url';
import { ago, clock, compact, count, counted, millis, modelName, moment, money, num, percent, seconds, words } from '../ui/format';
import { useNow, usePanel } from '../ui/hooks';
import { flagsOf, Panel } from '../ui/panel';
import type { Row } from '../api/panel';
import { Strip, stripPhone, Switch } from '../ui/strip';
import { isRunning, sessionName, type SessionRow } from './sessions';

interface Whole extends SessionRow { turn_count: number; subagent_message_count: number; subagent_cost_usd: number; subagent_tokens: number; compaction_count: number; output_tokens: number; cache_read_tokens: number; tool_success_rate: number | null; cwd: string | null; cli_version: string | null; record_count: number }
interface Turn { turn_number: number; started_at: string; active_seconds: number; task_category: string; is_interrupted: boolean; tool_call_count: number; tool_error_count: number; api_error_count: number; total_tokens: number; cost_usd: number; position: number | null }
interface Git { created_at: string; operation: string; status: string; branch: string | null; commit_sha: string | null; repository: string | null; url: string | null; pull_request_number: number | null }
interface Tool { tool_name: string; calls: number; errors: number; pending: number; total_ms: number | null }

const shows: [string, string][] = [['main', 'Main thread'], ['all', 'With sub-agents'], ['prompts', 'Prompts'], ['errors', 'Errors'], ['tools', 'Tool calls']];


export function SessionPage() {
  const session = sessionOf(path.value);
  const now = useNow(5000);
  const whole = usePanel<Whole>('session', { session }, { filters: false });
  const agents = usePanel<AgentRun>('session_subagents', { session, limit: 1000 }, { filters: false });
  const runs = useMemo(() => new Map((agents.answer?.rows ?? []).filter((a) => a.parent_tool_call_key).map((a) => [a.parent_tool_call_key!, a])), [agents.answer]);
  const [goTo, setGoTo] = useState<{ position: number; times: number } | undefined>();
  const asked = query.value.get('show') ?? 'main';
  const agent = query.value.get('agent') ?? '';
  const show = shows.some(([name]) => name === asked) ? asked : 'main';
  const view = agent ? { session, agent, only: '' } : { session, agent: show === 'main' || show === 'prompts' ? 'main' : '', only: show === 'main' || show === 'all' ? '' : show };
  const row = whole.answer?.rows[0];
  const running = row !== undefined && isRunning(row, now);
  const jump = (position: number) => {
    if (show !== 'main' || agent) set({ show: null, agent: null });
    setGoTo({ position, times: (goTo?.times ?? 0) + 1 });
  };
  return (
    <div class="session">
      <header class="session-head">
        <nav class="muted clip" aria-label="Where this is"><a href={to('/sessions')}>Sessions</a> / <code>{session.slice(0, 13)}</code>{row && <> / <a href={to('/sessions', { project: row.project_id })} title={row.project_id}>{projectName(row.project_id)}</a></>}</nav>
        <div class="title">
          <h2 title={row?.title ?? session}>{row ? sessionName(row) : session}</h2>
          {running && <span class="tag live"><span class="dot" /> running</span>}
        </div>
        <p class="muted clip">{row ? `${moment(row.session_start)} · last record ${ago(row.session_end, now)} · ${modelName(row.primary_model)} · ${row.git_branch || 'no branch'} · ${row.cwd ?? ''} · CLI ${row.cli_version ?? '?'}` : '\u00a0'}</p>
      </header>
      <Panel of={whole} title="In all" height={74} phone={stripPhone(7)} flags={row ? flagsOf([row as unknown as Row]) : []} empty={<div class="state"><strong>There is no session {session}</strong><p>It may not have been read yet, or it has no message, call or response.</p></div>}>
        {([r]) => r && (
          <Strip figures={[
            { name: 'Cost', value: money(r.cost_usd), note: num(r.subagent_cost_usd) > 0 ? `${percent(num(r.subagent_cost_usd) / Math.max(1e-9, num(r.cost_usd)), 0)} sub-agents` : undefined },
            { name: 'Tokens', value: compact(r.total_tokens), note: `${compact(r.output_tokens)} out` },
            { name: 'Active', value: seconds(r.active_seconds), note: `of ${seconds(r.duration_seconds)}` },
            { name: 'Prompts', value: count(r.human_prompt_count), note: counted(r.turn_count, 'turn') },
            { name: 'Tool calls', value: count(r.tool_call_count), note: r.tool_pending_count ? `${count(r.tool_pending_count)} under way` : undefined },
            { name: 'Errors', value: count(r.tool_error_count + r.api_error_count), note: r.tool_success_rate === null ? undefined : `${percent(r.tool_success_rate)} succeed` },
            { name: 'Sub-agents', value: count(r.subagent_count), note: r.compaction_count ? counted(r.compaction_count, 'compaction') : undefined },
          ]} />
        )}
      </Panel>
      <div class="session-body">
        <section aria-label="What happened" class="happened">
          <div class="row shows">
            <Switch label="What is shown" value={agent ? '' : show} options={shows} onChange={(value) => set({ show: value === 'main' ? null : value, agent: null })} />
            {agent && <span class="tag">sub-agent {agent} <a href={sessionPath(session)} aria-label="Back to the main thread">✕</a></span>}
          </div>
          <Timeline key={`${view.agent} ${view.only}`} view={view} agents={runs} goTo={goTo} follow />
        </section>
        <aside class="session-aside">
          <Costs session={session} />
          <Turns session={session} jump={jump} />
          <SubAgents runs={agents} session={session} />
          <ToolList session={session} />
          <GitList session={session} />
        </aside>
      </div>
    </div>
  );
}

function Costs({ session }: { session: string }) {
  const costs = usePanel<import('../session/costs').CostPart>('session_costs', { session }, { filters: false });
  return (
    <Panel of={costs} title="Cost and tokens" height={150} chart empty={<div class="state">No responses with tokens</div>}>
      {(rows) => <CostChart rows={rows} />}
    </Panel>
  );
}

function Turns({ session, jump }: { session: string; jump: (position: number) => void }) {
  const turns = usePanel<Turn>('session_turns', { session, limit: 1000 }, { filters: false });
  return (
    <Panel of={turns} title={`Turns${turns.answer ? ` (${count(turns.answer.rows.length)}${turns.answer.truncated ? '+' : ''})` : ''}`} height={260} empty={<div class="state">No turns</div>}>
      {(rows) => (
        <ol class="turns scroll" tabIndex={0} aria-label="Turns">
          {rows.map((t) => (
            <li key={t.turn_number}>
              <button type="button" disabled={t.position === null} onClick={() => jump(t.position!)}>
                <span><strong>{t.turn_number}</strong> {clock(t.started_at)} <span class="muted">{words(t.task_category)}</span></span>
                <span class="muted">{t.tool_error_count + t.api_error_count > 0 && <span class="bad">{count(t.tool_error_count + t.api_error_count)} failed · </span>}{t.is_interrupted && <span class="warn">interrupted · </span>}{counted(t.tool_call_count, 'call')} · {money(t.cost_usd)}</span>
              </button>
            </li>
          ))}
        </ol>
      )}
    </Panel>
  );
}

function SubAgents({ runs, session }: { runs: ReturnType<typeof usePanel<AgentRun>>; session: string }) {
  return (
    <Panel of={runs} title="Sub-agents" height={runs.answer?.rows.length ? 170 : 60} empty={<div class="state">None were started</div>}>
      {(rows) => (
        <ol class="turns scroll" tabIndex={0} aria-label="Sub-agents">
          {rows.map((a) => (
            <li key={a.agent_id}>
              <a href={`${sessionPath(session)}?agent=${encodeURIComponent(a.agent_id)}`}>
                <span><strong>{a.agent_type}</strong> <span class="muted">{clock(a.started_at)} · {words(a.status)}</span></span>
                <span class="muted">{a.tool_error_count > 0 && <span class="bad">{count(a.tool_error_count)} failed · </span>}{counted(a.tool_call_count, 'call')} · {millis(a.duration_ms)} · {money(a.cost_usd)}</span>
              </a>
            </li>
          ))}
        </ol>
      )}
    </Panel>
  );
}

function ToolList({ session }: { session: string }) {
  const tools = usePanel<Tool>('session_tools', { session }, { filters: false });
  return (
    <Panel of={tools} title="Tools" height={tools.answer?.rows.length ? 170 : 60} empty={<div class="state">None were called</div>}>
      {(rows) => (
        <ol class="turns scroll" tabIndex={0} aria-label="Tools">
          {rows.map((t) => <li key={t.tool_name}><a href={to('/tools', { tool: t.tool_name })}><span><strong>{t.tool_name}</strong></span><span class="muted">{t.errors > 0 && <span class="bad">{count(t.errors)} failed · </span>}{counted(t.calls, 'call')} · {millis(t.total_ms)}</span></a></li>)}
        </ol>
      )}
    </Panel>
  );
}

function GitList({ session }: { session: string }) {
  const git = usePanel<Git>('session_git', { session, limit: 200 }, { filters: false });
  return (
    <Panel of={git} title="Git" height={git.answer?.rows.length ? 150 : 60} empty={<div class="state">No commits, pushes or pull requests</div>}>
      {(rows) => (
        <ol class="turns scroll" tabIndex={0} aria-label="Git operations">
          {rows.map((g, i) => (
            <li key={i} class="line">
              <span><strong>{words(g.operation)}</strong> {g.pull_request_number ? `#${g.pull_request_number} ` : ''}<code>{g.commit_sha?.slice(0, 8) ?? g.branch ?? ''}</code></span>
              <span class="muted">{clock(g.created_at)}{g.status !== 'success' ? ` · ${words(g.status)}` : ''}{g.url?.startsWith('https://') && <> · <a href={g.url} target="_blank" rel="noreferrer noopener">open</a></>}</span>
            </li>
          ))}
        </ol>
      )}
    </Panel>
  );
}
