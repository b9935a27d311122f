import { nextTheme, theme } from '../state/theme';
import { to } from '../state/url';
import { openHelp } from './help';
import { openPalette } from './palette';
import { type Place, places } from './pages';

export function Top({ here }: { here: Place | undefined }) {
  return (
    <header class="top">
      <a class="brand" href={to('/')} aria-label="claude-analytics, to the overview">
        <svg viewBox="0 0 32 32" width="24" height="24" aria-hidden="true"><rect width="32" height="32" rx="7" /><path d="M7 23V17M13 23V9M19 23v-8M25 23V12" /></svg>
        <span>claude-analytics</span>
      </a>
      <nav class="places" aria-label="Pages">
        {places.map((p) => (
          <a key={p.path} href={to(p.path)} aria-current={here === p ? 'page' : undefined}>{p.name}</a>
        ))}
      </nav>
      <div class="tools">
        <button type="button" class="button search" onClick={openPalette} aria-label="Search or go to… Ctrl K"><span>Search or go to…</span><kbd>Ctrl K</kbd></button>
        <button type="button" class="button quiet" onClick={nextTheme} aria-label={`Colours: ${theme.value}. Change`} title={`Colours: ${theme.value}`}>
          <span aria-hidden="true">{{ system: '◐', light: '☀', dark: '☾' }[theme.value]}</span>
        </button>
        <button type="button" class="button quiet" onClick={openHelp} aria-label="Keys and help" title="Keys and help (?)"><span aria-hidden="true">?</span></button>
      </div>
    </header>
  );
}
