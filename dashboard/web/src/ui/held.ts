// While the keyboard is in a table its rows stay where they are: what is about to be opened must not become another.
import { useRef, useState } from 'preact/hooks';
import { path, query } from '../state/url';

interface Handlers {
  onFocusIn: () => void;
  onFocusOut: (event: FocusEvent) => void;
}

/**
 * The rows to show of those that came, and what the element around them listens with. While the focus is inside, they
 * are the rows that were there when it came, in their order, with their newest figures; what is new shows once it has
 * left. An address that changes asks for other rows, and lets go too. `of` names what else chooses the rows.
 */
export function useHeld<R>(rows: R[], key: ((row: R) => string) | undefined, of: string): [R[], Handlers] {
  const [held, setHeld] = useState<{ rows: R[]; of: string }>();
  const asked = `${path.value}?${query.value} ${of}`;
  // An answer may leave a held row out: it is shown as it was seen last.
  const seen = useRef(new Map<string, R>());
  let shown = rows;
  if (held && key && held.of === asked) {
    for (const row of rows) if (seen.current.has(key(row))) seen.current.set(key(row), row);
    shown = held.rows.map((row) => seen.current.get(key(row)) ?? row);
  }
  return [shown, {
    onFocusIn: () => {
      if (!key || held?.of === asked) return;
      seen.current = new Map(shown.map((row) => [key(row), row]));
      setHeld({ rows: shown, of: asked });
    },
    onFocusOut: (event) => {
      if (!(event.currentTarget as Element).contains(event.relatedTarget as Node | null)) setHeld(undefined);
    },
  }];
}
