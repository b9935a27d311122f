// The dead letters: what could not be published or converted, why, what it holds, and what can be done with it.
import { useEffect, useRef, useState } from 'preact/hooks';
import { ApiError, getJSON, post } from '../api/client';
import type { components } from '../api/schema';
import { bytes, count, moment, num, words } from '../ui/format';
import { Fault } from '../ui/panel';
import { Table } from '../ui/table';

type Answer = components['schemas']['Letters'];
type Letter = components['schemas']['Letter'];

/** What a reason means, and what mends it. */
const remedies: Record<string, string> = {
  broken_line: 'A line of a transcript is no JSON, mostly cut off by a crash of the program that wrote it. Drop it, or mend the file and retry.',
  not_object: 'A line holds JSON that is no object. Drop it.',
  too_large: 'The document is larger than the stream takes in one message. Raise max_payload of the NATS server, then retry.',
  not_convertible: 'The document could not be turned into a row. Retry after an upgrade.',
  not_decodable: 'The message cannot be read; it was not written by this program, or is damaged. Drop it.',
  version: 'The message was written by a later release. Upgrade, then retry.',
  operation: 'An operation that this release does not know. Upgrade, then retry.',
};

const pageSize = 8;

const place = (l: Letter): string => (l.file ? `${l.file} at byte ${l.offset ?? 0}` : `${l.namespace ?? ''} ${l.document_id ?? ''}`);

export function DeadLetters({ total }: { total: number | undefined }) {
  const [answer, setAnswer] = useState<Answer | undefined>();
  const [error, setError] = useState<ApiError | undefined>();
  const [said, setSaid] = useState('');
  const [busy, setBusy] = useState(false);
  const [sure, setSure] = useState('');
  const [open, setOpen] = useState<Letter | undefined>();
  // Where the pages up to the one that is shown begin; the service says where the next one does.
  const [starts, setStarts] = useState([0]);
  const after = starts[starts.length - 1]!;
  const shown = useRef(after);
  shown.current = after;
  const read = () => getJSON<Answer>(`/api/v1/dead-letters?limit=${pageSize}&after=${after}`).then((a) => {
    if (shown.current !== after) return; // another page was asked for meanwhile
    if (!a.letters?.length && after > 0) setStarts([0]); // what stood here is gone
    else setAnswer(a);
    setError(undefined);
  }, (fault) => setError(fault as ApiError));
  useEffect(() => { if (total !== undefined) void read(); }, [total, after]);
  const work = async (action: 'retry' | 'drop', body: object) => {
    setBusy(true);
    setSure('');
    try {
      const done = await post<Answer>(`/api/v1/dead-letters/${action}`, body);
      const failed = done.retried?.filter((r) => r.outcome === 'failed') ?? [];
      setSaid(action === 'drop' ? `${count(done.dropped?.length ?? 0)} dropped` : `${count((done.retried?.length ?? 0) - failed.length)} put back${failed.length ? `, ${count(failed.length)} stay: ${failed[0]!.detail ?? failed[0]!.reason ?? ''}` : ''}`);
      setOpen(undefined);
      await read();
    } catch (fault) {
      setSaid(`${(fault as ApiError).message} ${(fault as ApiError).remedy ?? ''}`);
    } finally {
      setBusy(false);
    }
  };
  const letters = answer?.letters ?? [];
  const before = (starts.length - 1) * pageSize;
  return (
    <section class="panel span-12 letters" aria-label="Dead letters" data-panel="dead_letters">
      <header>
        <h2>Dead letters</h2>
        <span role="status" class="muted clip">{said}</span>
        <div class="aside">
          {letters.length > 0 && <button type="button" class="button" disabled={busy} onClick={() => void work('retry', { all: true })}>{busy ? 'Working …' : 'Retry all'}</button>}
        </div>
      </header>
      <div class="body">
        {error && !answer ? <Fault error={error} retry={() => void read()} /> : !answer ? <div class="skeleton letters-wait" role="status" aria-label="Loading" /> : letters.length === 0 ? (
          <p class="state"><strong class="good">None</strong><span>Every line and message could be read.</span></p>
        ) : (
          <Table name="Dead letters" rows={letters as (Letter & Record<string, unknown>)[]} rowKey={(l) => l.id} ordered foot={num(answer.total) > pageSize && (
            <>
              <button type="button" class="button" disabled={starts.length === 1} onClick={() => setStarts(starts.slice(0, -1))}>Previous</button>
              <span class="muted">{count(before + 1)}–{count(before + letters.length)} of {count(answer.total)}, oldest first</span>
              <button type="button" class="button" disabled={!answer.next} onClick={() => setStarts([...starts, answer.next!])}>Next</button>
            </>
          )} columns={[
            { name: 'reason', title: 'Why', cell: (l) => <span class="tag bad" title={remedies[l.reason] ?? ''}>{words(l.reason)}</span> },
            { name: 'place', title: 'Where', grow: true, cell: (l) => <span title={place(l)}>{place(l)}</span>, by: place },
            { name: 'source', title: 'Lane', wideOnly: true },
            { name: 'size', title: 'Size', numeric: true, wideOnly: true, cell: (l) => bytes(l.size) },
            { name: 'attempts', title: 'Tries', numeric: true, wideOnly: true },
            { name: 'first_seen', title: 'First seen', wideOnly: true, cell: (l) => moment(l.first_seen) },
            { name: 'act', title: 'What can be done', plain: true, cell: (l) => (
              <span class="row nowrap">
                <button type="button" class="link" onClick={() => void getJSON<Answer>(`/api/v1/dead-letters/${encodeURIComponent(l.id)}`).then((a) => setOpen(a.letters?.[0]), (fault: Error) => setSaid(fault.message))}>Show</button>
                <button type="button" class="link" disabled={busy} onClick={() => void work('retry', { ids: [l.id] })}>Retry</button>
                {sure === l.id
                  ? <button type="button" class="link bad" disabled={busy} onClick={() => void work('drop', { ids: [l.id] })}>Lose it for good</button>
                  : <button type="button" class="link" disabled={busy} onClick={() => setSure(l.id)}>Drop …</button>}
              </span>
            ) },
          ]} />
        )}
        {open && (
          <div class="letter">
            <h3>{words(open.reason)} · {place(open)}</h3>
            <p>{open.detail}</p>
            <p class="muted">{remedies[open.reason]}</p>
            <pre tabIndex={0}>{open.text || '(nothing that can be shown)'}</pre>
            {(open.text_size ?? 0) > (open.text?.length ?? 0) && <p class="muted">The beginning; all of it: <code>claude-analytics dlq show --full {open.id}</code></p>}
            <button type="button" class="link" onClick={() => setOpen(undefined)}>Close</button>
          </div>
        )}
      </div>
    </section>
  );
}
