// What happened in a session, from its first step to its newest. Only what is near the window is drawn; what is not keeps its
// height. New steps are put at the end without moving what is read.
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { touches } from '../api/events';
import { swept } from '../api/panel';
import { count } from '../ui/format';
import { Fault } from '../ui/panel';
import { StepView, type Agents } from './step';
import { chunkSize, Steps, type View } from './steps';

interface Props {
  view: View;
  agents: Agents;
  /** Position to go to, and which time it is asked: the same may be asked twice. */
  goTo?: { position: number; times: number } | undefined;
  /** The main timeline follows its end while one stands there. */
  follow?: boolean;
}

const guess = 62; // pixels of a step that was not drawn yet
const near = '900px 0px';

const shownFrom = ['fct_messages', 'fct_tool_calls', 'fct_api_requests'];

export function Timeline({ view, agents, goTo, follow = false }: Props) {
  const steps = useMemo(() => new Steps(view), [view.session, view.agent, view.only]);
  const box = useRef<HTMLOListElement | null>(null);
  const [atEnd, setAtEnd] = useState(false);
  useEffect(() => {
    void steps.refresh();
    return swept((what) => (touches(what, steps.view.session, (models) => shownFrom.some((name) => models.has(name))) || steps.error.peek() ? steps.refresh() : undefined));
  }, [steps]);
  useEffect(() => {
    if (!follow) return;
    const look = () => setAtEnd(innerHeight + scrollY >= document.documentElement.scrollHeight - 160);
    look();
    addEventListener('scroll', look, { passive: true });
    const observer = new ResizeObserver(look);
    observer.observe(document.body);
    return () => {
      removeEventListener('scroll', look);
      observer.disconnect();
    };
  }, [follow]);
  const total = steps.total.value;
  const seen = useRef<number | undefined>(undefined);
  const fresh = seen.current !== undefined && total !== undefined && total > seen.current ? total - seen.current : 0;
  useLayoutEffect(() => {
    if (follow && atEnd && fresh > 0) scrollTo({ top: document.documentElement.scrollHeight });
    if (atEnd || seen.current === undefined) seen.current = total;
  }, [total, atEnd]);
  useEffect(() => {
    if (!goTo || total === undefined) return;
    seek(box.current, goTo.position);
  }, [goTo, total !== undefined]);
  if (total === undefined) return steps.error.value ? <Fault error={steps.error.value} retry={() => void steps.refresh()} /> : <div class="skeleton tall" role="status" aria-label="Loading" />;
  if (total === 0) return <p class="muted pad">Nothing of this kind happened here.</p>;
  const chunks = Math.ceil(total / chunkSize);
  return (
    <>
      <ol class="timeline" ref={box} aria-label="Steps">
        {Array.from({ length: chunks }, (_, i) => <Chunk key={i} steps={steps} i={i} length={Math.min(chunkSize, total - i * chunkSize)} agents={agents} />)}
      </ol>
      {follow && !atEnd && (
        <button type="button" class="button primary newest" onClick={() => { seen.current = total; seek(box.current, total - 1); }}>
          {fresh > 0 ? `${count(fresh)} new · ` : ''}Jump to newest ↓
        </button>
      )}
    </>
  );
}

/** Goes to a position. Chunks take their heights as they are drawn, so it is looked for until it stands still. */
function seek(box: HTMLElement | null, position: number): void {
  const deadline = performance.now() + 3000;
  let still = 0;
  const look = () => {
    const chunk = box?.children[Math.floor(position / chunkSize)];
    const step = chunk?.querySelector(`[data-position="${position}"]`) ?? chunk;
    if (!step) return;
    const top = step.getBoundingClientRect().top;
    const drawn = step !== chunk;
    if (drawn && Math.abs(top - 150) < 4) still++;
    else step.scrollIntoView({ block: 'start' });
    if (still < 3 && performance.now() < deadline && !(drawn && innerHeight + scrollY >= document.documentElement.scrollHeight - 2 && still++ > 3)) requestAnimationFrame(look);
  };
  look();
}

function Chunk({ steps, i, length, agents }: { steps: Steps; i: number; length: number; agents: Agents }) {
  const ref = useRef<HTMLLIElement | null>(null);
  const [shown, setShown] = useState(false);
  useEffect(() => {
    const observer = new IntersectionObserver((entries) => setShown(entries.at(-1)!.isIntersecting), { rootMargin: near });
    observer.observe(ref.current!);
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    if (!shown) return;
    steps.show(i);
    return () => steps.hide(i);
  }, [shown, steps]);
  const rows = shown ? steps.chunk(i).value : undefined;
  useLayoutEffect(() => {
    if (rows && ref.current) steps.heights.set(i, ref.current.offsetHeight);
  });
  const height = rows ? undefined : `${steps.heights.get(i) ?? length * guess}px`;
  return (
    <li ref={ref} class="chunk" style={height ? { height } : undefined}>
      {rows && <ol>{rows.map((step, at) => <StepView key={step.key} step={step} position={i * chunkSize + at} session={steps.view.session} agents={agents} />)}</ol>}
    </li>
  );
}
