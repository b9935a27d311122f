// One step: a prompt, a response, a tool call or a compaction. Everything in it is text; nothing that a session holds is
// ever taken for markup.
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { getJSON } from '../api/client';
import { compact, count, counted, clock, millis, modelName, moment, money, words } from '../ui/format';
import { rowsOf, type Step } from './steps';
import { Timeline } from './timeline';

export interface AgentRun {
  agent_id: string; agent_type: string; status: string; model: string | null; depth: number; parent_tool_call_key: string | null; duration_ms: number | null;
  started_at: string; tool_call_count: number; tool_error_count: number; total_tokens: number; cost_usd: number; turn_number: number | null;
}

/** Runs by the call that started them. */
export type Agents = Map<string, AgentRun>;

interface Block {
  source: string; document_id: string; document_type: string; created_at: string; block_type: string; tool_name: string | null; text: string | null; input: string | null;
  is_error: boolean | null; result: string | null; result_length: number | null; length: number; tool_use_result: string | null;
}

interface Props {
  step: Step;
  position: number;
  session: string;
  agents: Agents;
}

export function StepView(props: Props) {
  const { step, position } = props;
  const side = step.is_sidechain ? 'side' : '';
  if (step.kind === 'event') {
    return <li class={`step event ${side}`} data-position={position}><span>{step.what === 'compact_boundary' ? 'Context compacted' : words(step.what)} · <Time at={step.created_at} /></span></li>;
  }
  return step.kind === 'message' ? <Message {...props} /> : <Call {...props} />;
}

const Time = ({ at }: { at: string }) => <time dateTime={at} title={moment(at)}>{clock(at)}</time>;

const names: Record<string, string> = { prompt: 'Prompt', queued_command: 'Prompt, queued', bash: 'Shell command', slash_command: 'Slash command', response: 'Response', api_error: 'API error' };

function Message({ step, position, session }: Props) {
  const said = step.role === 'user';
  const empty = !step.text && !step.thinking;
  return (
    <li class={`step message ${said ? 'prompt' : 'response'} ${step.is_sidechain ? 'side' : ''} ${empty ? 'slim' : ''} ${step.status ? 'failed' : ''}`} data-position={position}>
      <header>
        <strong>{names[step.what] ?? words(step.what)}</strong>
        {said && step.turn_number !== null && <span class="muted">turn {step.turn_number}</span>}
        {step.is_sidechain && <span class="tag">sub-agent {step.agent_id?.slice(0, 8)}</span>}
        {!said && step.model && <span class="muted">{modelName(step.model)}</span>}
        <span class="figures">
          {step.total_tokens !== null && (
            <span title={`${count(step.input_tokens)} input, ${count(step.cache_read_tokens)} from the cache, ${count(step.output_tokens)} output`}>
              {compact(step.total_tokens)} tokens, {step.output_is_lower_bound ? '≥ ' : ''}{compact(step.output_tokens)} out
            </span>
          )}
          {step.cost_usd !== null && <span>{money(step.cost_usd)}</span>}
          {step.is_priced === false && <span class="warn">no price</span>}
          <Time at={step.created_at} />
        </span>
      </header>
      {step.thinking && (
        <details class="thinking"><summary>Thinking, {count(step.thinking_length)} characters</summary><Text text={step.thinking} /></details>
      )}
      {step.text && <Text text={step.text} />}
      <Whole step={step} session={session} cut={(step.text?.length ?? 0) >= 2000 || (step.thinking?.length ?? 0) >= 2000} />
    </li>
  );
}

const bad = new Set(['error', 'timeout', 'denied', 'orphan_result']);

function Call({ step, position, session, agents }: Props) {
  const failed = bad.has(step.status ?? '');
  const run = agents.get(step.key);
  const [inside, setInside] = useState(false);
  const cut = (step.input?.length ?? 0) >= 2000 || (step.result_length ?? step.result?.length ?? 0) > 2000;
  return (
    <li class={`step call ${step.is_sidechain ? 'side' : ''} ${failed ? 'failed' : ''}`} data-position={position}>
      <details open={failed || undefined}>
        <summary>
          <code class="tool">{step.what}</code>
          <span class="clip gist">{gist(step.input)}</span>
          <span class="figures">
            {step.status !== 'success' && <span class={`tag ${failed ? 'bad' : 'warn'}`}>{step.status === 'pending' ? 'under way' : words(step.status)}{step.error_type ? `: ${words(step.error_type)}` : ''}</span>}
            {step.milliseconds !== null && <span>{millis(step.milliseconds)}</span>}
            <Time at={step.created_at} />
          </span>
        </summary>
        <Labelled label="Input"><pre tabIndex={0}>{pretty(step.input)}</pre></Labelled>
        {step.result !== null && <Labelled label={failed ? 'Error' : 'Result'}><pre tabIndex={0}>{step.result || '(empty)'}</pre></Labelled>}
        <Whole step={step} session={session} cut={cut} />
      </details>
      {run && (
        <div class="agent">
          <button type="button" class="button" aria-expanded={inside} onClick={() => setInside(!inside)}>{inside ? '▾' : '▸'} Sub-agent {run.agent_type}</button>
          <span class="muted">{run.model ? `${modelName(run.model)} · ` : ''}{counted(run.tool_call_count, 'call')}{run.tool_error_count ? `, ${count(run.tool_error_count)} failed` : ''} · {counted(run.total_tokens, 'token', compact)} · {money(run.cost_usd)} · {millis(run.duration_ms)} · {words(run.status)}</span>
          {inside && <Timeline view={{ session, agent: run.agent_id, only: '' }} agents={agents} />}
        </div>
      )}
    </li>
  );
}

/** What a call is about, in a line. */
function gist(input: string | null): string {
  if (!input) return '';
  const found = /"(?:command|file_path|notebook_path|pattern|query|url|description|skill|subject|plan|prompt)"\s*:\s*"((?:[^"\\]|\\.)*)/.exec(input);
  if (!found) return input.length > 2 ? input.slice(0, 160) : '';
  try {
    return (JSON.parse(`"${found[1]!.replace(/\\$/, '')}"`) as string).split('\n')[0]!;
  } catch {
    return found[1]!;
  }
}

function pretty(text: string | null): string {
  if (!text) return '(none)';
  try {
    const value = JSON.parse(text) as unknown;
    if (value && typeof value === 'object' && !Array.isArray(value)) {
      return Object.entries(value).map(([name, one]) => `${name}: ${typeof one === 'string' ? one : JSON.stringify(one, null, 2)}`).join('\n');
    }
    return JSON.stringify(value, null, 2);
  } catch {
    return text; // cut, or no JSON
  }
}

function Labelled({ label, children }: { label: string; children: ComponentChildren }) {
  return <div class="labelled"><h3>{label}</h3>{children}</div>;
}

/** Text with its fenced code set apart. */
function Text({ text }: { text: string }) {
  const parts = text.split(/^(?:```|~~~)[^\n]*\n?/m);
  return <div class="text">{parts.map((part, i) => (i % 2 ? <pre key={i} tabIndex={0}>{part}</pre> : part.trim() && <p key={i}>{part.replace(/^\n+|\n+$/g, '')}</p>))}</div>;
}

/** The rest of what was cut, and the documents behind it. */
function Whole({ step, session, cut }: { step: Step; session: string; cut: boolean }) {
  const [blocks, setBlocks] = useState<Block[] | undefined>();
  const [said, setSaid] = useState('');
  const open = async () => {
    setSaid('Reading …');
    try {
      setBlocks(await rowsOf<Block>('step_content', { session, key: step.key, limit: 1000 }));
      setSaid('');
    } catch (fault) {
      setSaid((fault as Error).message);
    }
  };
  if (!blocks) {
    return <p class="whole">{cut && <span class="muted">Cut at 2,000 characters. </span>}<button type="button" class="link" onClick={() => void open()}>{cut ? 'Show all' : 'Details'}</button> <span role="status" class="muted">{said}</span></p>;
  }
  return (
    <div class="blocks">
      {blocks.map((b, i) => (
        <div key={i}>
          <h3>{words(b.block_type)} · {b.document_type} · {counted(b.length, 'character')}{b.result_length !== null && b.result !== null && b.result_length > b.result.length ? ', the first 64 KiB kept' : ''}</h3>
          <pre tabIndex={0}>{b.block_type === 'tool_use' ? pretty(b.input) : b.block_type === 'tool_result' ? (b.result ?? '(empty)') : (b.text ?? '(not text)')}</pre>
          <Raw source={b.source} id={b.document_id} />
        </div>
      ))}
      <button type="button" class="link" onClick={() => setBlocks(undefined)}>Close</button>
    </div>
  );
}

function Raw({ source, id }: { source: string; id: string }) {
  const [text, setText] = useState('');
  const open = async () => {
    setText('Reading …');
    try {
      const answer = await getJSON<{ file: string; offset: number; document: unknown }>(`/api/v1/documents/${encodeURIComponent(source)}/${encodeURIComponent(id)}`);
      setText(`${answer.file} at byte ${answer.offset}\n${JSON.stringify(answer.document, null, 2)}`);
    } catch (fault) {
      setText((fault as Error).message);
    }
  };
  return text ? <pre class="raw" tabIndex={0}>{text}</pre> : <button type="button" class="link" onClick={() => void open()}>Raw document</button>;
}
