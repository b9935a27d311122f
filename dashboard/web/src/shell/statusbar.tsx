// The line at the foot: whether the page is live, how fresh the data is, how much there is, how long the last query took.
import { link, status } from '../api/events';
import { asOf, lastQuery } from '../api/panel';
import { importing } from '../api/status';
import { to } from '../state/url';
import { zone } from '../state/zone';
import { ago, compact, count, millis, moment } from '../ui/format';
import { useNow, usePanel } from '../ui/hooks';
import type { ProjectRow } from './filters';

export function StatusBar() {
  const s = status.value;
  const projects = usePanel<ProjectRow>('projects', {}, { filters: false }).answer?.rows;
  const sum = (pick: (p: ProjectRow) => number) => projects?.reduce((total, p) => total + pick(p), 0) ?? 0;
  return (
    <footer class="statusbar">
      <Live />
      {projects && <span class="wide-only totals" title="All that there is, whatever the filters say">{count(sum((p) => p.total_sessions))} sessions · {compact(sum((p) => p.total_messages))} messages · {compact(sum((p) => p.total_tokens))} tokens</span>}
      <Progress />
      <span class="gap" />
      {!!s?.models?.tests?.failed && <a class="bad" href={to('/pipeline')}>{count(s.models.tests.failed)} failing tests</a>}
      {!!s?.stream?.dead_letters && <a class="bad" href={to('/pipeline')}>{count(s.stream.dead_letters)} dead letters</a>}
      <span class="wide-only last-query" title={`The last query: ${lastQuery.value?.panel ?? 'none yet'}`}>{lastQuery.value && `query ${millis(lastQuery.value.seconds * 1000)}`}</span>
      <span class="wide-only zone" title={`Days and hours are those of this time zone. Version ${s?.version ?? ''}`}>{zone.value}</span>
    </footer>
  );
}

function Live() {
  const now = useNow();
  const newest = status.value?.models?.newest ?? asOf.value?.newest;
  const state = link.value;
  const text = { live: 'live', connecting: 'connecting…', stopped: 'the service does not answer', resting: 'resting' }[state];
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
