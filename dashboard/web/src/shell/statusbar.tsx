// The line at the foot: whether the page is live, how fresh the data is, how much there is, how long the last query took.
import { link, status } from '../api/events';
import { asOf, lastQuery } from '../api/panel';
import { importing } from '../api/status';
import { type ProjectRow, projectsPanel } from '../state/projects';
import { to } from '../state/url';
import { zone } from '../state/zone';
import { ago, compact, counted, millis, moment } from '../ui/format';
import { useKept, useNow } from '../ui/hooks';

export function StatusBar() {
  const s = status.value;
  useKept(projectsPanel);
  const projects = projectsPanel.data.value?.rows;
  const sum = (pick: (p: ProjectRow) => number) => projects?.reduce((total, p) => total + pick(p), 0) ?? 0;
  return (
    <footer class="statusbar">
      <Live />
      {projects && <span class="wide-only totals" title="All that there is, whatever the filters say">{counted(sum((p) => p.total_sessions), 'session')} · {counted(sum((p) => p.total_messages), 'message', compact)} · {counted(sum((p) => p.total_tokens), 'token', compact)}</span>}
      <Progress />
      <span class="gap" />
      {!!s?.models?.tests?.failed && <a class="bad" href={to('/pipeline')}>{counted(s.models.tests.failed, 'failing test')}</a>}
      {!!s?.stream?.dead_letters && <a class="bad" href={to('/pipeline')}>{counted(s.stream.dead_letters, 'dead letter')}</a>}
      <span class="wide-only last-query" title={`The last query: ${lastQuery.value?.panel ?? 'none yet'}`}>{lastQuery.value && `query ${millis(lastQuery.value.seconds * 1000)}`}</span>
      <span class="wide-only zone" title={`Days and hours are those of this time zone. Version ${s?.version ?? ''}`}>{zone.value}</span>
    </footer>
  );
}

function Live() {
  const now = useNow();
  const newest = status.value?.models?.newest ?? asOf.value?.newest;
  const state = link.value;
  const text = { live: 'live', connecting: 'connecting…', stopped: 'no answer', resting: 'resting' }[state];
  return (
    <a class={`live ${state}`} href={to('/pipeline')} data-link={state} title={newest ? `The newest document in the models arrived ${moment(newest)}` : 'No document yet'}>
      <i aria-hidden="true" /><span>{text}</span>{newest && <span class="fresh">data {ago(newest, now)}</span>}
    </a>
  );
}

function Progress() {
  const going = importing(status.value);
  if (!going) return null;
  return (
    <span class="progress">
      <progress value={going.done} max={going.all} aria-label="Importing" /> importing: {compact(going.done)} of {compact(going.all)} documents
    </span>
  );
}

/** Says that what is shown is no longer live, and what to do. Laid over the page, so that nothing moves. */
export function Stopped() {
  if (link.value !== 'stopped') return null;
  return (
    <div class="stopped" role="alert">
      <strong>The service does not answer.</strong> What is shown is from before. Start it with <code>claude-analytics up</code>; this page connects again by itself.
    </div>
  );
}
