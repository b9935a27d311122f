// Asking /api/v1. Types come from openapi.yaml: `npm run types` writes schema.d.ts before each build, so that a field
// that is no longer described does not compile.
import { signal } from '@preact/signals';
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

/** Kept for this tab only, so that it is gone when the tab is. */
export function setToken(token: string): void {
  sessionStorage.setItem(tokenKey, token);
  tokenWanted.value = false;
}

export function headers(): Record<string, string> {
  const token = sessionStorage.getItem(tokenKey);
  return token ? { Authorization: `Bearer ${token}` } : {};
}

export async function refusal(response: Response): Promise<ApiError> {
  if (response.status === 401) tokenWanted.value = true;
  try {
    const body = (await response.json()) as Schemas['Error'];
    return new ApiError(body.error, body.code, body.remedy, response.status);
  } catch {
    return new ApiError(`the server answered ${response.status}`, 'internal', 'Look at the log of the service.', response.status);
  }
}

const unreachable = () =>
  new ApiError('the service does not answer', 'unreachable', 'Is it running? `claude-analytics status` says so; this page connects again by itself.', 0);

/** The body of a GET, as text. */
export async function getText(path: string, abort?: AbortSignal): Promise<string> {
  let response: Response;
  try {
    response = await fetch(path, { headers: headers(), signal: abort ?? null });
  } catch (fault) {
    if (abort?.aborted) throw fault;
    throw unreachable();
  }
  if (!response.ok) throw await refusal(response);
  return response.text();
}

export async function getJSON<T>(path: string, abort?: AbortSignal): Promise<T> {
  return JSON.parse(await getText(path, abort)) as T;
}

/** Sends a request that changes something. */
export async function post<T>(path: string, body: unknown): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, { method: 'POST', headers: { ...headers(), 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
  } catch {
    throw unreachable();
  }
  if (!response.ok) throw await refusal(response);
  return (await response.json()) as T;
}

/** Saves what a path answers as a file; a plain link could not carry the token. */
export async function download(path: string, name: string): Promise<void> {
  const text = await getText(path);
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type: 'text/csv' }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
