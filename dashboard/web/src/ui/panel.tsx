// The frame around everything that is shown: title, what it means, how far it can be trusted, its menu, and what to do
// when there is nothing or something went wrong. Its height is that of what will come, so that nothing jumps.
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { download } from '../api/client';
import type { Answer, Row } from '../api/panel';
import { status } from '../api/events';
import { importing } from '../api/status';
import { dataDays, days, filterCount, models, projects, tools } from '../state/filters';
import { here_ } from '../state/url';
import { count, day, moment, num } from './format';
import type { Shown } from './hooks';
import { Menu } from './menu';
import { PlainTable } from './table';

/** Something to know of a figure's confidence: how often, and what it means. */
export interface Flag {
  count: number;
  text: string;
  detail: string;
}

interface Props<R> {
  of: Shown<R>;
  title?: string;
  /** Instead of what the panel says of itself. */
  about?: string;
  /** Height of the body in pixels; the content never changes it. */
  height: number;
  /** The same where there is room for a phone's width only. */
  phone?: number;
  /** Columns of the page's grid, of 12. */
  span?: number;
  flags?: Flag[];
  /** Beside the title: a switch, a link. */
  aside?: ComponentChildren;
  /** What to say, and to do, when there are no rows. */
  empty?: ComponentChildren;
  /** A chart has a table in its menu; a table has not. */
  chart?: boolean;
  children: (rows: R[], answer: Answer<R>) => ComponentChildren;
}

export function Panel<R = Row>({ of, title, about, height, phone, span = 12, flags, aside, empty, chart = false, children }: Props<R>) {
  const [asTable, setAsTable] = useState(false);
  const { answer, error } = of;
  const name = title ?? answer?.title ?? ' ';
  return (
    <section class={`panel span-${span} ${of.old && answer ? 'old' : ''}`} aria-label={name} aria-busy={!answer && !error} data-panel={of.name}>
      <header>
        <h2 title={about ?? answer?.about}>{name}</h2>
        {answer && <Unfiltered parameters={answer.parameters} />}
        {answer?.truncated && !answer.parameters.includes('limit') && <span class="tag warn" title="There is more than one answer holds: choose fewer days">the first {count(answer.rows.length)} rows only</span>}
        <Flags flags={flags ?? (answer ? flagsOf(answer.rows as Row[]) : [])} />
        <div class="aside">{aside}</div>
        <PanelMenu of={of} chart={chart} asTable={asTable} onTable={() => setAsTable(!asTable)} />
      </header>
      <div class="body" style={{ '--h': `${height}px`, '--phone': `${phone ?? height}px` }}>
        {error && !answer ? (
          <Fault error={error} retry={of.reload} />
        ) : !answer ? (
          <div class="skeleton" aria-label="Loading" role="status" />
        ) : answer.rows.length === 0 ? (
          (empty ?? <NoRows />)
        ) : asTable ? (
          <PlainTable columns={answer.columns.map((c) => c.name)} rows={answer.rows as Row[]} name={name} />
        ) : (
          children(answer.rows, answer)
        )}
      </div>
    </section>
  );
}

/** Filters that are set and that the panel does not know: said, so that nobody takes the figure for a filtered one. */
function Unfiltered({ parameters }: { parameters: string[] }) {
  const all = [
    ...(projects.value.length && !parameters.includes('projects') ? ['projects'] : []),
    ...(models.value.length && !parameters.includes('models') ? ['models'] : []),
    ...(tools.value.length && !parameters.includes('tools') ? ['tools'] : []),
  ];
  return all.length > 0 ? <span class="tag" title="The filter does not bear on this">all {all.join(', ')}</span> : null;
}

/** The flags that any panel's rows may carry, by the names of their columns. */
export function flagsOf(rows: Row[]): Flag[] {
  const sum = (column: string) => rows.reduce((total, row) => (row['period'] === 'before' ? total : total + num(row[column])), 0);
  const flags: Flag[] = [
    { count: sum('lower_bound_requests'), text: 'lower bound', detail: 'requests whose output tokens are placeholders of the program that wrote them (versions 2.1.7 to 2.1.50): the true number, and the cost, are higher. They are counted as written.' },
    { count: sum('unpriced_requests'), text: 'without price', detail: 'requests of a model that the price list does not have; they count as $0. Add the model to the file of PRICES.' },
    { count: sum('incomplete_requests'), text: 'incomplete', detail: 'requests whose end is missing, since the session was cut off: their output may be higher.' },
    { count: sum('orphan_results'), text: 'orphan results', detail: 'results without their call, left out of the calls: the part of the session with the call is missing.' },
  ];
  return flags.filter((f) => f.count > 0);
}

export function Flags({ flags }: { flags: Flag[] }) {
  if (flags.length === 0) return null;
  return (
    <Menu kind="flag" name={`How far to trust this: ${flags.map((f) => `${count(f.count)} ${f.text}`).join(', ')}`} wide label={<><span aria-hidden="true">⚑</span> {flags.map((f) => `${count(f.count)} ${f.text}`).join(' · ')}</>}>
      {() => (
        <div class="note">
          <h3>How far to trust this</h3>
          {flags.map((f) => (
            <p key={f.text}><strong>{count(f.count)}</strong> {f.detail}</p>
          ))}
          <p class="muted">Nothing was corrected; the figures are what the records say.</p>
        </div>
      )}
    </Menu>
  );
}

const mostRows = 100_000;

/** Where all rows of a panel are, not just those that are shown. */
function allAsCSV(url: string, limited: boolean): string {
  const [path, query] = url.split('?');
  const params = new URLSearchParams(query);
  params.delete('offset');
  if (limited) params.set('limit', String(mostRows));
  params.set('format', 'csv');
  return `${path}?${params}`;
}

interface MenuProps {
  of: Shown<unknown>;
  chart: boolean;
  asTable: boolean;
  onTable: () => void;
}

function PanelMenu({ of, chart, asTable, onTable }: MenuProps) {
  const answer = of.answer as Answer<Row> | undefined;
  const [said, setSaid] = useState('');
  const save = (close: () => void) => {
    const done = ({ cut }: { cut: boolean }) => (cut ? setSaid('Saved, but not to the end: there are more rows than one file takes.') : close());
    download(allAsCSV(of.url, !!answer?.parameters.includes('limit')), `${of.name}.csv`).then(done, (fault: Error) => setSaid(fault.message));
  };
  return (
    <Menu kind="quiet" name={`More on ${answer?.title ?? 'this panel'}: CSV, SQL, models`} label={<span aria-hidden="true">⋯</span>} wide align="right">
      {(close) => (
        <div class="note">
          <div class="row">
            {chart && (
              <button type="button" class="button" onClick={() => { onTable(); close(); }}>{asTable ? 'Show as chart' : 'Show as table'}</button>
            )}
            <button type="button" class="button" onClick={() => save(close)}>Save as CSV</button>
            {answer && (
              <button type="button" class="button" onClick={() => navigator.clipboard.writeText(answer.sql).then(() => setSaid('Copied.'), () => setSaid('The browser did not allow it.'))}>Copy SQL</button>
            )}
            <span role="status" class="muted">{said}</span>
          </div>
          {answer && (
            <>
              <p>{answer.about}</p>
              <h3>Models</h3>
              <dl>
                {answer.models.map((m) => (
                  <><dt key={m.name}>{m.name}</dt><dd>{m.description || 'Bookkeeping of the service itself.'}</dd></>
                ))}
              </dl>
              <h3>SQL</h3>
              <pre tabIndex={0} aria-label="SQL">{answer.sql}</pre>
              <p class="muted">Refresh {answer.asOf.refresh}{answer.asOf.refreshed_at && `, ${moment(answer.asOf.refreshed_at)}`} · {(answer.seconds * 1000).toFixed(0)} ms in the database, {Math.round(answer.took)} ms in all</p>
            </>
          )}
        </div>
      )}
    </Menu>
  );
}

export function Fault({ error, retry }: { error: { message: string; code?: string; remedy?: string }; retry?: () => void }) {
  const waiting = error.code === 'starting' || error.code === 'model_missing' || error.code === 'busy';
  return (
    <div class={`state ${waiting ? 'waiting' : 'fault'}`} role="status">
      <strong>{waiting ? 'Not yet: ' : ''}{error.message}</strong>
      <p>{error.remedy}</p>
      {retry && <button type="button" class="button" onClick={retry}>Try again</button>}
    </div>
  );
}

/** Nothing in these days with these filters: where to go instead. */
export function NoRows() {
  const known = dataDays.value;
  const shown = days.value;
  const going = importing(status.value);
  if (known && known.last === '' && (going || !status.value || status.value.models?.running)) {
    return (
      <div class="state waiting" key="importing" role="status">
        <strong>Importing</strong>
        <p>The first figures come in a moment. {going && `${count(going.done)} of ${count(going.all)} documents are in the warehouse.`}</p>
      </div>
    );
  }
  if (known && known.last === '') {
    return (
      <div class="state" key="none">
        <strong>No data yet</strong>
        <p>Point the service at transcripts (TRANSCRIPTS_DIR) or a MongoDB (MONGO_URI); `claude-analytics doctor` says what is missing.</p>
      </div>
    );
  }
  const beyond = known && shown && (known.last < shown.from || known.first > shown.to);
  const filtered = filterCount.value > 0;
  return (
    <div class="state" key="nothing">
      <strong>Nothing in these days{filtered && !beyond ? ' with these filters' : ''}</strong>
      {known && <p>There is data from {day(known.first)} to {day(known.last)}.</p>}
      <div class="row">
        {(beyond || !filtered) && !shown?.atLast && <a class="button" href={here_({ at: 'last', from: null, to: null })}>Jump to the last data</a>}
        {!filtered && shown?.name !== 'all' && <a class="button" href={here_({ range: 'all', at: null, from: null, to: null })}>All time</a>}
        {filtered && <a class="button" href={here_({ project: null, model: null, tool: null })}>Clear the filters</a>}
      </div>
    </div>
  );
}
