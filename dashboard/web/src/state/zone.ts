// Days and hours are those of the report time zone, wherever the reader is: the marts count in it.
import { computed } from '@preact/signals';
import { status } from '../api/events';
import { dataZone } from './range';

const known = computed(() => status.value?.report_tz ?? dataZone.value);

/** Until it is known no day can be named. */
export const zoneKnown = computed(() => known.value !== undefined);

export const zone = computed(() => known.value ?? 'UTC');

const dayFormats = new Map<string, Intl.DateTimeFormat>();

/** The day of a moment in the report time zone, as 2026-01-31. */
export function dayOf(at: Date, tz = zone.value): string {
  let format = dayFormats.get(tz);
  if (!format) {
    format = new Intl.DateTimeFormat('en-CA', { timeZone: tz, year: 'numeric', month: '2-digit', day: '2-digit' });
    dayFormats.set(tz, format);
  }
  return format.format(at);
}

/** Whether a text is a day that there is, of the years 1 to 9999. */
export function isDay(text: string | null): text is string {
  if (text === null || !/^\d{4}-\d\d-\d\d$/.test(text) || text < '0001') return false;
  const at = new Date(text + 'T00:00:00Z');
  return !Number.isNaN(at.getTime()) && at.toISOString().startsWith(text);
}

/** A day, some days later or earlier, but of the years that days can be asked of. */
export function addDays(day: string, days: number): string {
  const at = new Date(day + 'T00:00:00Z');
  at.setUTCDate(at.getUTCDate() + days);
  const year = at.getUTCFullYear();
  return year < 1 ? '0001-01-01' : year > 9999 ? '9999-12-31' : at.toISOString().slice(0, 10);
}

/** How many days lie between, the first excluded. */
export function daysBetween(from: string, to: string): number {
  return Math.round((Date.parse(to + 'T00:00:00Z') - Date.parse(from + 'T00:00:00Z')) / 86_400_000);
}

export function today(): string {
  return dayOf(new Date());
}
