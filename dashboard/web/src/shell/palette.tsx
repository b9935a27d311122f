// Search for a session by its title, or go to a page, a project, a tool, a model, some days.
import { useCallback, useEffect, useMemo, useState } from 'preact/hooks';
import { presets } from '../state/filters';
import { projectName, projectsPanel } from '../state/projects';
import { go, here_, path, to } from '../state/url';
import { modelName, moment } from '../ui/format';
import { usePanel } from '../ui/hooks';
import { opening } from '../ui/opening';
import { places, sessionPath } from './pages';

export const { open: openPalette, Dialog: Palette } = opening('Search or go to', 'palette', Search);

interface Item { key: string; group: string; name: string; note: string; href: string }

function Search({ close }: { close: () => void }) {
  const [text, setText] = useState('');
  const [asked, setAsked] = useState('');
  const [at, setAt] = useState(0);
  useEffect(() => {
    const timer = setTimeout(() => setAsked(text.trim()), 120);
    return () => clearTimeout(timer);
  }, [text]);
  const find = useFind(asked);
  const items = useMemo(() => find(text), [find, text]);
  const now = Math.min(at, Math.max(0, items.length - 1));
  const choose = (item: Item | undefined) => {
    if (!item) return;
    close();
    go(item.href);
  };
  // Drawing waits for the next frame: until then the list is that of what stood there before, and Enter is meant for the new text.
  const enter = (typed: string) => choose(typed === text ? items[now] : find(typed)[0]);
  useEffect(() => document.getElementById(`palette-${now}`)?.scrollIntoView({ block: 'nearest' }), [now]);
  return (
    <>
      <input type="text" role="combobox" aria-expanded="true" aria-controls="palette-list" aria-activedescendant={items.length ? `palette-${now}` : undefined}
        aria-label="Search sessions, projects, tools, pages" placeholder="Search sessions, projects, tools, pages" autocomplete="off" spellcheck={false} autofocus value={text}
        onInput={(e) => { setText(e.currentTarget.value); setAt(0); }}
        onKeyDown={(e) => {
          if (e.key === 'ArrowDown') { e.preventDefault(); setAt((now + 1) % Math.max(1, items.length)); }
          else if (e.key === 'ArrowUp') { e.preventDefault(); setAt((now - 1 + items.length) % Math.max(1, items.length)); }
          else if (e.key === 'Enter') { e.preventDefault(); enter(e.currentTarget.value); }
        }} />
      <ul id="palette-list" role="listbox" aria-label="Found">
        {items.map((item, i) => (
          <li key={item.key} id={`palette-${i}`} role="option" aria-selected={i === now} onPointerMove={() => setAt(i)} onClick={() => choose(item)}>
            <small>{item.group}</small><span class="clip">{item.name}</span><small>{item.note}</small>
          </li>
        ))}
      </ul>
      {items.length === 0 && <p class="muted" role="status">Nothing is named so.</p>}
    </>
  );
}

/** What a text is found in; of sessions, those that the service found for what it was asked last. */
function useFind(asked: string): (text: string) => Item[] {
  const projects = projectsPanel.data.value?.rows;
  const models = usePanel<{ model: string }>('models', {}, { filters: false }).answer?.rows;
  const tools = usePanel<{ tool_name: string; calls: number }>('tools', {}, { filters: false }).answer?.rows;
  const sessions = usePanel<{ session_id: string; title: string; session_end: string }>('sessions', { search: asked, limit: 12 }, { filters: false }).answer?.rows;
  return useCallback((typed: string) => {
    const text = typed.trim().toLowerCase();
    const fits = (...of: (string | null | undefined)[]) => text === '' || of.some((one) => one?.toLowerCase().includes(text));
    const here = path.value.startsWith('/sessions/') || path.value === '/pipeline' ? to : (_: string, change: Parameters<typeof here_>[0]) => here_(change);
    const out: Item[] = [];
    for (const p of places) if (fits(p.name, p.about)) out.push({ key: p.path, group: 'Page', name: p.name, note: p.about, href: to(p.path) });
    const found = (sessions ?? []).map((s): Item => ({ key: s.session_id, group: 'Session', name: s.title || s.session_id, note: moment(s.session_end), href: to(sessionPath(s.session_id)) }));
    for (const p of (projects ?? []).filter((p) => fits(p.project_name, p.project_path, p.project_id)).slice(0, 6)) {
      out.push({ key: 'p' + p.project_id, group: 'Project', name: projectName(p.project_id), note: p.project_path ?? '', href: here('/', { project: p.project_id }) });
    }
    // Sessions are searched for by the service and come last in time: so also in the list, which then does not move.
    if (text === '') return [...out, ...found.slice(0, 5)];
    for (const t of (tools ?? []).filter((t) => fits(t.tool_name)).slice(0, 6)) out.push({ key: 't' + t.tool_name, group: 'Tool', name: t.tool_name, note: '', href: to('/tools', { tool: t.tool_name }) });
    for (const m of (models ?? []).filter((m) => fits(m.model)).slice(0, 4)) out.push({ key: 'm' + m.model, group: 'Model', name: modelName(m.model), note: m.model, href: here('/', { model: m.model }) });
    for (const p of presets.filter((p) => fits(p.label))) out.push({ key: 'd' + p.name, group: 'Days', name: p.label, note: '', href: here('/', { range: p.name, from: null, to: null, at: null }) });
    return [...out, ...found];
  }, [projects, models, tools, sessions]);
}
