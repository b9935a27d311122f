import { options, render } from 'preact';
import './style/tokens.css';
import './style/shell.css';
import './style/panel.css';
import './style/chart.css';
import './style/session.css';
import './style/pipeline.css';
import { startEvents } from './api/events';
import { filtersAre, followRefreshes } from './api/panel';
import { days, models, projects, tools } from './state/filters';
import { startTheme } from './state/theme';
import { followLinks } from './state/url';
import { App } from './shell/app';

// What many events change is drawn once a frame. A hidden page has no frames, so that it waits until it is looked at.
options.debounceRendering = (draw) => (document.visibilityState === 'visible' ? requestAnimationFrame(draw) : setTimeout(draw, 100));

filtersAre(() => {
  const shown = days.value;
  if (!shown) return undefined;
  const params = new URLSearchParams({ from: shown.from, to: shown.to });
  for (const one of projects.value) params.append('project', one);
  for (const one of models.value) params.append('model', one);
  for (const one of tools.value) params.append('tool', one);
  return params;
});
startTheme();
followLinks();
followRefreshes();
startEvents();
render(<App />, document.getElementById('app')!);
