// How numbers, money, times and names are written, everywhere the same.
import { zone } from '../state/zone';

export const num = (value: unknown): number => (value === null || value === undefined ? 0 : Number(value));

const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const compactFormat = new Intl.NumberFormat('en-US', { notation: 'compact', maximumFractionDigits: 1 });
const dollars = new Intl.NumberFormat('en-US', { style: 'currency', currency: 'USD', minimumFractionDigits: 2, maximumFractionDigits: 2 });
const wholeDollars = new Intl.NumberFormat('en-US', { style: 'currency', currency: 'USD', maximumFractionDigits: 0 });
const fineDollars = new Intl.NumberFormat('en-US', { style: 'currency', currency: 'USD', maximumSignificantDigits: 2 });

export const count = (value: unknown): string => whole.format(num(value));
export const compact = (value: unknown): string => (Math.abs(num(value)) < 10_000 ? whole.format(num(value)) : compactFormat.format(num(value)));

/** A number with what it counts, of which there may be one. */
export const counted = (value: unknown, one: string, as = count): string => `${as(value)} ${one}${num(value) === 1 ? '' : 's'}`;

export function money(value: unknown): string {
  const n = num(value);
  if (n !== 0 && Math.abs(n) < 0.01) return fineDollars.format(n);
  return Math.abs(n) >= 10_000 ? wholeDollars.format(n) : dollars.format(n);
}

export function percent(value: unknown, digits = 1): string {
  if (value === null || value === undefined || Number.isNaN(Number(value))) return '–';
  const n = num(value) * 100;
  return (n !== 0 && Math.abs(n) < 0.1 ? '<0.1' : n.toFixed(n >= 99.95 || n === 0 ? 0 : digits)) + ' %';
}

/** A length of time given in milliseconds. */
export function millis(value: unknown): string {
  if (value === null || value === undefined) return '–';
  const ms = num(value);
  return ms < 1000 ? `${Math.round(ms)} ms` : seconds(ms / 1000);
}

/** A length of time given in seconds: two units at most. */
export function seconds(value: unknown): string {
  if (value === null || value === undefined) return '–';
  const s = num(value);
  if (s < 10) return `${s.toFixed(s < 1 ? 2 : 1)} s`;
  if (s < 60) return `${Math.round(s)} s`;
  const m = Math.round(s / 60);
  if (m < 60) return `${m} min`;
  const h = Math.floor(m / 60);
  if (h < 48) return m % 60 ? `${h} h ${m % 60} min` : `${h} h`;
  return `${Math.round(h / 24)} days`;
}

export function bytes(value: unknown): string {
  let n = num(value);
  for (const unit of ['B', 'kB', 'MB', 'GB']) {
    if (n < 1000) return `${n < 10 && unit !== 'B' ? n.toFixed(1) : Math.round(n)} ${unit}`;
    n /= 1000;
  }
  return `${n.toFixed(1)} TB`;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function formatter(name: string, options: Intl.DateTimeFormatOptions, tz: string): Intl.DateTimeFormat {
  const key = name + tz;
  let format = formats.get(key);
  if (!format) formats.set(key, (format = new Intl.DateTimeFormat('en-GB', { ...options, timeZone: tz })));
  return format;
}

const asDate = (value: unknown): Date | undefined => {
  const at = value instanceof Date ? value : new Date(String(value));
  return Number.isNaN(at.getTime()) ? undefined : at;
};

/** A moment, in the report time zone. */
export function moment(value: unknown): string {
  const at = value ? asDate(value) : undefined;
  return at ? formatter('moment', { day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit' }, zone.value).format(at) : '–';
}

export function clock(value: unknown): string {
  const at = value ? asDate(value) : undefined;
  return at ? formatter('clock', { hour: '2-digit', minute: '2-digit', second: '2-digit' }, zone.value).format(at) : '–';
}

/** A day as the marts have it: 2026-01-31. */
export function day(value: unknown, style: 'long' | 'short' | 'weekday' = 'long'): string {
  const at = value ? asDate(String(value).slice(0, 10) + 'T00:00:00Z') : undefined;
  if (!at) return '–';
  const options: Intl.DateTimeFormatOptions =
    style === 'short' ? { day: 'numeric', month: 'short' } : style === 'weekday' ? { weekday: 'short', day: 'numeric', month: 'short', year: 'numeric' } : { day: 'numeric', month: 'short', year: 'numeric' };
  return formatter(style + 'day', options, 'UTC').format(at);
}

/** How long ago, coarsely. */
export function ago(value: unknown, now = Date.now()): string {
  const at = value ? asDate(value) : undefined;
  if (!at) return '–';
  const s = Math.max(0, (now - at.getTime()) / 1000);
  return s < 1.5 ? 'just now' : `${seconds(s < 10 ? Math.round(s) : s).replace('.0', '')} ago`;
}

/** Change against before, as it is written beside a figure. */
export function change(now: number, before: number): { text: string; sign: -1 | 0 | 1 } {
  if (before === 0) return { text: now === 0 ? 'as before' : 'none before', sign: 0 };
  const share = (now - before) / before;
  if (Math.abs(share) < 0.005) return { text: 'as before', sign: 0 };
  const size = Math.abs(share) >= 10 ? `${Math.round(now / before)}×` : `${Math.round(Math.abs(share) * 100)} %`;
  return { text: `${share > 0 ? '▲' : '▼'} ${size}`, sign: share > 0 ? 1 : -1 };
}

/** A model's name without what all have in common. */
export const modelName = (value: unknown): string => (value ? String(value).replace(/^claude-/, '').replace(/-(\d{8})$/, '') : '(none)');

export const words = (value: unknown): string => (value ? String(value).replaceAll('_', ' ') : '–');
