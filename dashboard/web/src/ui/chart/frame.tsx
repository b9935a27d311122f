// What all charts share: a picture of known size, a reader for the mark under the pointer or under the keyboard's
// cursor, and a way into what the mark stands for. Marks are drawn by the chart; they are numbered.
import type { ComponentChildren } from 'preact';
import { useRef, useState } from 'preact/hooks';
import { go } from '../../state/url';
import { useWidth } from '../hooks';

export interface Mark {
  /** Where the reader points to. */
  x: number;
  y: number;
  title: string;
  lines: { color?: string; name: string; value: string }[];
  /** What a click opens. */
  href?: string | undefined;
}

interface Props {
  /** What it shows, in a sentence: the picture's name. */
  label: string;
  height: number;
  marks: (width: number) => Mark[];
  /** Draws; `at` is the mark that is read now. */
  draw: (width: number, at: number) => ComponentChildren;
  /** Which mark is at a point; -1: none. */
  find: (x: number, y: number, width: number) => number;
  /** How many marks the up and down keys move; 0: they do nothing. */
  rowLength?: number;
}

export function Chart({ label, height, marks, draw, find, rowLength = 0 }: Props) {
  const [ref, width] = useWidth();
  const [at, setAt] = useState(-1);
  const byKey = useRef(false);
  const all = width > 0 ? marks(width) : [];
  const mark = all[at];
  const open = (i: number) => {
    const href = all[i]?.href;
    if (href) go(href);
  };
  const point = (event: PointerEvent | MouseEvent) => {
    const box = ref.current!.getBoundingClientRect();
    return find(event.clientX - box.left, event.clientY - box.top, width);
  };
  return (
    <div
      class={`chart ${mark?.href ? 'can-open' : ''}`}
      ref={ref}
      style={{ height: `${height}px` }}
      tabIndex={0}
      role="group"
      aria-roledescription="chart"
      aria-label={`${label}. Arrow keys read the values, Enter opens one; the panel's menu has the table.`}
      onPointerMove={(e) => { byKey.current = false; setAt(point(e)); }}
      onPointerLeave={() => setAt(-1)}
      onBlur={() => setAt(-1)}
      onClick={(e) => { const i = point(e); setAt(i); open(i); }}
      onKeyDown={(e) => {
        const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -rowLength, ArrowDown: rowLength }[e.key];
        if (step) {
          e.preventDefault();
          byKey.current = true;
          setAt((now) => (now < 0 ? (step < 0 ? all.length - 1 : 0) : Math.min(all.length - 1, Math.max(0, now + step))));
        } else if (e.key === 'Enter' && at >= 0) open(at);
        else if (e.key === 'Escape' && at >= 0) { e.stopPropagation(); setAt(-1); }
      }}
    >
      {width > 0 && <svg width={width} height={height} viewBox={`0 0 ${width} ${height}`} aria-hidden="true">{draw(width, at)}</svg>}
      {mark && (
        <div class={`tip ${mark.x > width / 2 ? 'left' : 'right'}`} style={{ transform: `translate(${mark.x}px, ${Math.max(0, Math.min(mark.y, height - 60))}px)` }} role={byKey.current ? 'status' : undefined}>
          <div>
            <strong>{mark.title}</strong>
            {mark.lines.map((l) => (
              <span key={l.name} class="line">{l.color && <i style={{ background: l.color }} />}{l.name}<b>{l.value}</b></span>
            ))}
            {mark.href && <span class="muted">Click to open</span>}
          </div>
        </div>
      )}
    </div>
  );
}

export function Legend({ entries }: { entries: { name: string; color: string; href?: string | undefined }[] }) {
  return (
    <ul class="legend">
      {entries.map((e) => (
        <li key={e.name}>
          <i style={{ background: e.color }} />
          {e.href ? <a href={e.href}>{e.name}</a> : e.name}
        </li>
      ))}
    </ul>
  );
}

/** The colours of series, in their order; the last is for all others. */
export const colors = Array.from({ length: 8 }, (_, i) => `var(--series-${i + 1})`);
export const otherColor = 'var(--series-other)';
