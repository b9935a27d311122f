// Asking /api/v1. Types come from openapi.yaml: `npm run types` writes schema.d.ts before each build, so that a field
// that is no longer described does not compile.
import { signal } from '@preact/signals';
import { keep, recall } from '../state/stored';
import { withoutFormulas } from './csv';
import type { components } from './schema';

type Schemas = components['schemas'];
export type Version = Schemas['Version'];
export type Column = Schemas['Column'];
export type PanelAnswer = Schemas['Panel'];
export type RowsAnswer = Schemas['Rows'];
export type Catalog = Schemas['Catalog'];

/** What a request was refused with: what went wrong, and what to do. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly code: string,
    readonly remedy: string,
    readonly status: number,
  ) {
    super(message);
  }
}

const tokenKey = 'claude-analytics-token';

/** Set while the server wants a token that this page does not have. */
export const tokenWanted = signal(false);

/** A header holds bytes, each given as a character: those of the token in UTF-8, as the service has it. */
const bearer = (token: string): Record<string, string> => ({ Authorization: `Bearer ${String.fromCharCode(...new TextEncoder().encode(token))}` });

/** Takes a token if the service does, and says why not otherwise. Kept for this tab only, so that it is gone when the tab is. */
export async function takeToken(token: string): Promise<string | undefined> {
  try {
    const response = await fetch('/api/v1/openapi.yaml', { headers: bearer(token), cache: 'no-store' });
    if (response.status === 401) return 'That is not the token: the service refused it.';
    if (!response.ok) return (await refusal(response, {})).message;
  } catch {
    return unreachable().message;
  }
  keep('sessionStorage', tokenKey, token);
  tokenWanted.value = false;
  return undefined;
}

export function headers(): Record<string, string> {
  const token = recall('sessionStorage', tokenKey);
  return token ? bearer(token) : {};
}

/** What a request was refused with that was sent with these headers. */
export async function refusal(response: Response, sent: Record<string, string>): Promise<ApiError> {
  if (response.status === 401 && sent['Authorization'] === headers()['Authorization']) tokenWanted.value = true; // else there is a newer token
  try {
    const body = (await response.json()) as Schemas['Error'];
    return new ApiError(body.error, body.code, body.remedy, response.status);
  } catch {
    return new ApiError(`the server answered ${response.status}`, 'internal', 'Look at the log of the service.', response.status);
  }
}

const unreachable = () =>
  new ApiError('the service does not answer', 'unreachable', 'Is it running? `claude-analytics status` says so; this page connects again by itself.', 0);

async function get(path: string, abort?: AbortSignal): Promise<Response> {
  const sent = headers();
  const ask = () => fetch(path, { headers: sent, signal: abort ?? null });
  let response: Response;
  try {
    response = await ask();
    // What index.html asks for beforehand it asks without a token; the browser gives that answer out once.
    if (response.status === 401 && sent['Authorization']) response = await ask();
  } catch (fault) {
    if (abort?.aborted) throw fault;
    throw unreachable();
  }
  if (!response.ok) throw await refusal(response, sent);
  return response;
}

/** The body of a GET, as text. */
export async function getText(path: string, abort?: AbortSignal): Promise<string> {
  return (await get(path, abort)).text();
}

export async function getJSON<T>(path: string, abort?: AbortSignal): Promise<T> {
  return JSON.parse(await getText(path, abort)) as T;
}

/** Sends a request that changes something. */
export async function post<T>(path: string, body: unknown): Promise<T> {
  const sent = headers();
  let response: Response;
  try {
    response = await fetch(path, { method: 'POST', headers: { ...sent, 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
  } catch {
    throw unreachable();
  }
  if (!response.ok) throw await refusal(response, sent);
  return (await response.json()) as T;
}

/**
 * Saves what a path answers as a file; a plain link could not carry the token. Tells whether the service cut it. Texts that a
 * spreadsheet would take for a formula are marked as text; the service itself answers exactly what there is.
 */
export async function download(path: string, name: string): Promise<{ cut: boolean }> {
  const response = await get(path);
  const text = withoutFormulas(await response.text());
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type: 'text/csv' }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  return { cut: response.headers.get('X-Truncated') === 'true' };
}
