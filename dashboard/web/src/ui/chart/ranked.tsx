// Ranked bars: names with their share, each a link to what it stands for.
import type { ComponentChildren } from 'preact';
import { useHeld } from '../held';

export interface Entry {
  key: string;
  name: ComponentChildren;
  title?: string;
  value: number;
  text: string;
  note?: string | undefined;
  href?: string | undefined;
  color?: string;
}

export const rankedHeight = (rows: number): number => rows * 34;

export function Ranked({ label, entries, most, bars = true }: { label: string; entries: Entry[]; most?: number; bars?: boolean }) {
  const top = most ?? Math.max(...entries.map((e) => e.value), 0);
  const [shown, holding] = useHeld(entries, (e) => e.key, label);
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={label}>
      <ol class="ranked" {...holding}>
        {/* By place, not by name: while it is live, places change what they say, and nothing moves. */}
        {shown.map((e, i) => (
          <li key={i}>
            <a href={e.href} title={e.title}>
              <span class="name">{e.name}</span>
              <span class="value">{e.note && <small>{e.note}</small>} {e.text}</span>
              {bars && <span class="track"><span style={{ width: `${top > 0 ? (e.value / top) * 100 : 0}%`, ...(e.color ? { background: e.color } : {}) }} /></span>}
            </a>
          </li>
        ))}
      </ol>
    </div>
  );
}
