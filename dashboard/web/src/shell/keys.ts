import { go, set, to } from '../state/url';
import { days } from '../state/filters';
import { nextTheme } from '../state/theme';
import { addDays, daysBetween } from '../state/zone';
import { openHelp } from './help';
import { openPalette } from './palette';
import { places } from './pages';

export const keys: { keys: string; does: string }[] = [
  { keys: 'Ctrl K  or  /', does: 'Search sessions, projects, tools, pages' },
  ...places.map((p) => ({ keys: `g ${p.key}`, does: `Go to ${p.name}` })),
  { keys: '[  ]', does: 'The period before, after' },
  { keys: 'l', does: 'Jump to the last data' },
  { keys: '\\', does: 'Clear the filters' },
  { keys: 'd', does: 'Colours: system, light, dark' },
  { keys: '← → ↑ ↓', does: 'Read the values of a chart that has the focus' },
  { keys: 'Enter', does: 'Open what is read' },
  { keys: 'Esc', does: 'Close what is open' },
  { keys: '?', does: 'This help' },
];

/** Until the next frame, a closed dialog keeps the focus: what is pressed then is not typed into it. */
const typing = (target: EventTarget | null) =>
  target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)) && !target.closest('dialog:not([open])');

function step(by: number): void {
  const shown = days.value;
  if (!shown) return;
  const length = daysBetween(shown.from, shown.to) + 1;
  set({ from: addDays(shown.from, by * length), to: addDays(shown.to, by * length), range: null, at: null });
}

export function startKeys(): () => void {
  let afterG = 0;
  const press = (event: KeyboardEvent) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') {
      event.preventDefault();
      openPalette();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || document.querySelector('dialog[open]')) return;
    if (performance.now() - afterG < 1200) {
      afterG = 0;
      const place = places.find((p) => p.key === event.key);
      if (place) {
        event.preventDefault();
        go(to(place.path));
        return;
      }
    }
    switch (event.key) {
      case 'g': afterG = performance.now(); break;
      case '/': event.preventDefault(); openPalette(); break;
      case '?': openHelp(); break;
      case '[': step(-1); break;
      case ']': step(1); break;
      case 'l': set({ at: 'last', from: null, to: null }); break;
      case '\\': set({ project: null, model: null, tool: null }); break;
      case 'd': nextTheme(); break;
    }
  };
  document.addEventListener('keydown', press);
  return () => document.removeEventListener('keydown', press);
}
