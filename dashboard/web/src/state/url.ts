// Everything that says what is shown stands in the URL: the page, the filters, and what the pages add of their own.
import { computed, signal } from '@preact/signals';

const here = signal(new URL(location.href));

export const path = computed(() => here.value.pathname);
export const query = computed(() => here.value.searchParams);

addEventListener('popstate', () => {
  here.value = new URL(location.href);
});

/** What may be set of a URL: null takes a parameter away, a list sets it several times. */
export type Change = Record<string, string | string[] | null | undefined>;

/** The filters: they go along from page to page, other parameters do not. */
export const filterNames = ['project', 'model', 'tool', 'range', 'at', 'from', 'to'] as const;

function apply(params: URLSearchParams, change: Change): void {
  for (const [name, value] of Object.entries(change)) {
    if (value === undefined) continue;
    params.delete(name);
    for (const one of value === null ? [] : Array.isArray(value) ? value : [value]) params.append(name, one);
  }
}

/** The address of a page with the filters of now, changed. */
export function to(page: string, change: Change = {}): string {
  const params = new URLSearchParams();
  for (const name of filterNames) for (const value of query.value.getAll(name)) params.append(name, value);
  apply(params, change);
  const text = params.toString();
  return text ? `${page}?${text}` : page;
}

/** What else chooses rows: with others, the page of them that is shown is another. */
const choosing = new Set<string>([...filterNames, 'search', 'only', 'order']);

/** This page's address, changed. What chooses other rows begins at their first page. */
export function here_(change: Change): string {
  const params = new URLSearchParams(query.value);
  if (Object.keys(change).some((name) => choosing.has(name))) params.delete('page');
  apply(params, change);
  const text = params.toString();
  return text ? `${path.value}?${text}` : path.value;
}

export function go(address: string, how: 'push' | 'replace' = 'push'): void {
  const next = new URL(address, location.href);
  if (next.href === here.value.href) return;
  const samePage = next.pathname === here.value.pathname;
  if (how === 'push') history.pushState(null, '', next);
  else history.replaceState(null, '', next);
  here.value = next;
  if (!samePage) scrollTo(0, 0);
}

/** Changes parameters of this page's address. */
export function set(change: Change, how: 'push' | 'replace' = 'push'): void {
  go(here_(change), how);
}

/** Lets links inside the page change the address without loading it again; modified clicks stay the browser's. */
export function followLinks(): void {
  document.addEventListener('click', (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const anchor = (event.target as Element | null)?.closest?.('a');
    if (!anchor || anchor.target || anchor.hasAttribute('download') || anchor.origin !== location.origin) return;
    if (anchor.pathname.startsWith('/api/') || anchor.pathname === '/metrics' || anchor.getAttribute('href')?.startsWith('#')) return;
    event.preventDefault();
    go(anchor.href);
  });
}
