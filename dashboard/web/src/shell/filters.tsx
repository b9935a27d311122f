// The bar of filters: project, days, model, tool. All of it is in the URL.
import { useState } from 'preact/hooks';
import { dataDays, days, filterCount, models, presets, projects, tools } from '../state/filters';
import { projectName, projectsPanel } from '../state/projects';
import { here_, set } from '../state/url';
import { addDays, daysBetween, zone } from '../state/zone';
import { compact, count, counted, day, modelName } from '../ui/format';
import { usePanel } from '../ui/hooks';
import { Menu } from '../ui/menu';

export function FilterBar() {
  return (
    <div class="filters" role="toolbar" aria-label="Filters">
      <Projects />
      <DaysMenu />
      <Models />
      <ToolsMenu />
      {filterCount.value > 0 && <a class="button quiet" href={here_({ project: null, model: null, tool: null })}>Clear</a>}
      <DaysNote />
    </div>
  );
}

function Projects() {
  const rows = projectsPanel.data.value?.rows ?? [];
  const chosen = projects.value;
  const sessions = rows.reduce((sum, r) => sum + r.total_sessions, 0);
  const named = chosen.length === 1 ? projectName(chosen[0]!) : `${chosen.length} projects`;
  const label = chosen.length === 0 ? `All projects${rows.length ? ` (${count(rows.length)})` : ''}` : named;
  return (
    <Menu name={`Project ${label}`} kind={`choice ${chosen.length ? 'set' : ''}`} wide label={<><span class="what">Project</span>{' '}<span class="clip">{label}</span></>}>
      {(close) => (
        <Choices what="project" all={`All projects · ${counted(sessions, 'session')}`} chosen={chosen} close={close}
          options={rows.map((r) => ({ value: r.project_id, name: projectName(r.project_id), title: r.project_path || r.project_id, note: counted(r.total_sessions, 'session') }))} />
      )}
    </Menu>
  );
}

function Models() {
  const shown = days.value;
  const { answer } = usePanel<{ model: string; total_tokens: number }>('models', { model: [] });
  const chosen = models.value;
  const label = chosen.length === 0 ? 'All models' : chosen.length === 1 ? modelName(chosen[0]) : `${chosen.length} models`;
  return (
    <Menu name={`Model ${label}`} kind={`choice ${chosen.length ? 'set' : ''}`} wide label={<><span class="what">Model</span>{' '}<span class="clip">{label}</span></>}>
      {(close) => (
        <Choices what="model" all="All models" chosen={chosen} close={close} empty={shown ? 'No model in these days.' : ''}
          options={(answer?.rows ?? []).map((r) => ({ value: r.model, name: modelName(r.model), title: r.model, note: `${compact(r.total_tokens)} tokens` }))} />
      )}
    </Menu>
  );
}

function ToolsMenu() {
  const { answer } = usePanel<{ tool_name: string; calls: number }>('tools', { tool: [] });
  const chosen = tools.value;
  const label = chosen.length === 0 ? 'All tools' : chosen.length === 1 ? chosen[0]! : `${chosen.length} tools`;
  return (
    <Menu name={`Tool ${label}`} kind={`choice ${chosen.length ? 'set' : ''}`} wide label={<><span class="what">Tool</span>{' '}<span class="clip">{label}</span></>}>
      {(close) => (
        <Choices what="tool" all="All tools" chosen={chosen} close={close} empty="No tool in these days."
          options={(answer?.rows ?? []).map((r) => ({ value: r.tool_name, name: r.tool_name, note: counted(r.calls, 'call', compact) }))} />
      )}
    </Menu>
  );
}

interface Option { value: string; name: string; title?: string; note: string }

function Choices({ what, all, options, chosen, close, empty = '' }: { what: string; all: string; options: Option[]; chosen: string[]; close: () => void; empty?: string }) {
  const [text, setText] = useState('');
  const found = options.filter((o) => `${o.name} ${o.title ?? ''}`.toLowerCase().includes(text.toLowerCase()));
  const toggle = (value: string) => set({ [what]: chosen.includes(value) ? chosen.filter((c) => c !== value) : [...chosen, value] });
  return (
    <div class="choices">
      <input type="search" placeholder={`Find a ${what}`} aria-label={`Find a ${what}`} value={text} onInput={(e) => setText(e.currentTarget.value)} />
      <button type="button" aria-pressed={chosen.length === 0} onClick={() => { set({ [what]: null }); close(); }}><span>{all}</span></button>
      <div class="scroll">
        {found.slice(0, 200).map((o) => (
          <button key={o.value} type="button" title={o.title} aria-pressed={chosen.includes(o.value)} onClick={(e) => {
            if (e.ctrlKey || e.metaKey || e.shiftKey) toggle(o.value);
            else { set({ [what]: chosen.length === 1 && chosen[0] === o.value ? null : o.value }); close(); }
          }}>
            <span class="clip">{o.name}</span><small>{o.note}</small>
          </button>
        ))}
        {found.length === 0 && <p class="muted">{options.length === 0 ? empty : 'Nothing is named so.'}</p>}
      </div>
      <p class="muted hint">Ctrl-click chooses several.</p>
    </div>
  );
}

function DaysMenu() {
  const shown = days.value;
  const known = dataDays.value;
  const label = !shown ? '…' : shown.name === 'custom' ? (shown.from === shown.to ? day(shown.from) : `${day(shown.from)} – ${day(shown.to)}`) : shown.label;
  const step = (by: number) => {
    if (!shown) return;
    const length = daysBetween(shown.from, shown.to) + 1;
    set({ from: addDays(shown.from, by * length), to: addDays(shown.to, by * length), range: null, at: null });
  };
  return (
    <div class="joined">
      <button type="button" class="button quiet" aria-label="The period before" title="The period before ([)" onClick={() => step(-1)}>‹</button>
      <Menu name={`Days ${label}`} kind="choice" wide label={<><span class="what">Days</span>{' '}<span class="clip">{label}</span></>}>
        {(close) => (
          <div class="choices">
            {presets.map((p) => (
              <button key={p.name} type="button" aria-pressed={shown?.name === p.name} onClick={() => { set({ range: p.name, from: null, to: null, at: null }); close(); }}>
                <span>{p.label}</span>
              </button>
            ))}
            {known?.last && (
              <button type="button" aria-pressed={!!shown?.atLast} onClick={() => { set({ at: 'last', range: shown && shown.name !== 'custom' && shown.name !== 'all' ? shown.name : '30d', from: null, to: null }); close(); }}>
                <span>Jump to the last data</span><small>{day(known.last)}</small>
              </button>
            )}
            <form class="row" onSubmit={(e) => {
              e.preventDefault();
              const form = new FormData(e.currentTarget);
              set({ from: String(form.get('from')), to: String(form.get('to')), range: null, at: null });
              close();
            }}>
              <label>From <input type="date" name="from" required value={shown?.from} /></label>
              <label>to <input type="date" name="to" required value={shown?.to} /></label>
              <button class="button primary">Show</button>
            </form>
            <p class="muted hint">Days are those of the time zone {zone.value}.</p>
          </div>
        )}
      </Menu>
      <button type="button" class="button quiet" aria-label="The period after" title="The period after (])" onClick={() => step(1)}>›</button>
    </div>
  );
}

/** Which days these are; and where the data is, if it is elsewhere. */
function DaysNote() {
  const shown = days.value;
  const known = dataDays.value;
  if (!shown) return <span class="muted note-days">&nbsp;</span>;
  const beyond = known && known.last !== '' && (known.last < shown.from || known.first > shown.to);
  return (
    <span class="muted note-days">
      {shown.from === shown.to ? day(shown.from, 'weekday') : `${day(shown.from)} – ${day(shown.to)}`}
      {shown.atLast && ', up to the last data'}
      {beyond && <> · no data here, <a href={here_({ at: 'last', from: null, to: null })}>jump to the last, {day(known.last)}</a></>}
    </span>
  );
}
