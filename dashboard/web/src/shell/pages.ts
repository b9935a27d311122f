// The places of the dashboard. A page is found by the first part of the path; what follows it is its own.
import type { FunctionComponent } from 'preact';
import { Cost } from '../pages/cost';
import { Overview } from '../pages/overview';
import { Pipeline } from '../pages/pipeline';
import { Sessions } from '../pages/sessions';
import { SessionPage } from '../pages/session';
import { Tools } from '../pages/tools';

export interface Place {
  path: string;
  name: string;
  /** The key that goes there, after g. */
  key: string;
  /** What it answers, for the palette. */
  about: string;
  page: FunctionComponent;
  /** Whether the days and other filters bear on it. */
  filtered: boolean;
}

export const places: Place[] = [
  { path: '/', name: 'Overview', key: 'o', about: 'What happened, when, and how it went', page: Overview, filtered: true },
  { path: '/tools', name: 'Tools', key: 't', about: 'Which tools are used, which fail, and why', page: Tools, filtered: true },
  { path: '/cost', name: 'Cost', key: 'c', about: 'What was spent, on what', page: Cost, filtered: true },
  { path: '/sessions', name: 'Sessions', key: 's', about: 'Sessions, and which run now', page: Sessions, filtered: true },
  { path: '/pipeline', name: 'Pipeline', key: 'p', about: 'Whether the data is complete and fresh', page: Pipeline, filtered: false },
];

export interface Found {
  place: Place | undefined;
  page: FunctionComponent | undefined;
}

export function find(path: string): Found {
  if (path.startsWith('/sessions/') && path.length > '/sessions/'.length) return { place: places.find((p) => p.path === '/sessions'), page: SessionPage };
  const place = places.find((p) => p.path === path);
  return { place, page: place?.page };
}

/** The session that the path names; as it stands there if it is no text that was encoded. */
export function sessionOf(path: string): string {
  const name = path.slice('/sessions/'.length);
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}
export const sessionPath = (id: string): string => '/sessions/' + encodeURIComponent(id);
