import { useEffect, useState } from 'preact/hooks';
import { takeToken, tokenWanted } from '../api/client';
import { askAgain } from '../api/panel';
import { dataRangePanel } from '../state/range';
import { path } from '../state/url';
import { useKept } from '../ui/hooks';
import { FilterBar } from './filters';
import { Help } from './help';
import { startKeys } from './keys';
import { find, places } from './pages';
import { Palette } from './palette';
import { StatusBar, Stopped } from './statusbar';
import { Top } from './top';

export function App() {
  useEffect(startKeys, []);
  useKept(dataRangePanel);
  const { place, page: Page } = find(path.value);
  useEffect(() => {
    document.title = place ? `${place.name} · claude-analytics` : 'claude-analytics';
  }, [place]);
  return (
    <>
      <a class="skip" href="#main">Skip to the content</a>
      <Top here={place} />
      {place?.filtered && !path.value.startsWith('/sessions/') && <FilterBar />}
      <Stopped />
      <main id="main" tabIndex={-1}>
        <h1 class="unseen">{place?.name ?? 'Not found'}</h1>
        {tokenWanted.value ? <AskToken /> : Page ? <Page key={path.value} /> : <Nowhere />}
      </main>
      <StatusBar />
      <Palette />
      <Help />
    </>
  );
}

function Nowhere() {
  return (
    <div class="state">
      <strong>There is no page here</strong>
      <div class="row">{places.map((p) => <a key={p.path} class="button" href={p.path}>{p.name}</a>)}</div>
    </div>
  );
}

function AskToken() {
  const [said, setSaid] = useState('');
  const use = async (token: string) => {
    setSaid('');
    const problem = await takeToken(token);
    if (problem) setSaid(problem);
    else askAgain();
  };
  return (
    <form class="state" onSubmit={(e) => {
      e.preventDefault();
      void use(String(new FormData(e.currentTarget).get('token') ?? '').trim());
    }}>
      <strong>This service wants a token</strong>
      <p>It is the value of HTTP_TOKEN. This tab keeps it until it is closed.</p>
      <label class="row">Token <input name="token" type="password" autocomplete="off" required /></label>
      <button class="button primary">Use it</button>
      {said && <p class="bad" role="alert">{said}</p>}
    </form>
  );
}
