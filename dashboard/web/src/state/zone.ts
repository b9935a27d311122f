// Days and hours are those of the report time zone, wherever the reader is: the marts count in it.
import { computed } from '@preact/signals';
import { status } from '../api/events';

export const zone = computed(() => status.value?.report_tz ?? 'UTC');

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

/** A day, some days later or earlier. */
export function addDays(day: string, days: number): string {
  const at = new Date(day + 'T00:00:00Z');
  at.setUTCDate(at.getUTCDate() + days);
  return at.toISOString().slice(0, 10);
}

/** How many days lie between, the first excluded. */
export function daysBetween(from: string, to: string): number {
  return Math.round((Date.parse(to + 'T00:00:00Z') - Date.parse(from + 'T00:00:00Z')) / 86_400_000);
}

export function today(): string {
  return dayOf(new Date());
}
