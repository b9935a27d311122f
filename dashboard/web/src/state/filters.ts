// Which days, projects, models and tools are shown.
import { computed } from '@preact/signals';
import { dataDays } from './range';
import { addDays, daysBetween, isDay, today, zoneKnown } from './zone';
import { query } from './url';

export { dataDays, dataRangePanel } from './range';

export interface Preset {
  name: string;
  label: string;
  /** Days that it takes in; 0: all. */
  days: number;
}

export const presets: Preset[] = [
  { name: 'today', label: 'Today', days: 1 },
  { name: 'yesterday', label: 'Yesterday', days: 1 },
  { name: '7d', label: '7 days', days: 7 },
  { name: '30d', label: '30 days', days: 30 },
  { name: '90d', label: '90 days', days: 90 },
  { name: '12m', label: '12 months', days: 365 },
  { name: 'all', label: 'All time', days: 0 },
];

export const defaultRange = '30d';

export interface Days {
  from: string;
  to: string;
  /** The preset's name; custom: days of their own. */
  name: string;
  label: string;
  /** Ends on the last day with data, not today. */
  atLast: boolean;
  /** Whether it was chosen, or is where a page begins. */
  chosen: boolean;
}

/** Undefined while it is not known yet where the data ends, or which day it is, and that matters. */
export const days = computed<Days | undefined>(() => {
  const params = query.value;
  const from = params.get('from');
  const until = params.get('to');
  if (isDay(from) || isDay(until)) {
    const first = isDay(from) ? from : (dataDays.value?.first ?? '');
    const last = isDay(until) ? until : today();
    if (!first || (!isDay(until) && !zoneKnown.value)) return undefined;
    const ordered = first <= last;
    return { from: ordered ? first : last, to: ordered ? last : first, name: 'custom', label: '', atLast: false, chosen: true };
  }
  const asked = params.get('range');
  const preset = presets.find((p) => p.name === asked) ?? presets.find((p) => p.name === defaultRange)!;
  const chosen = asked !== null;
  let atLast = params.get('at') === 'last';
  const known = dataDays.value;
  if (!zoneKnown.value) return undefined;
  if (!known && (atLast || !chosen || preset.days === 0)) return undefined;
  const now = today();
  const last = known?.last ?? '';
  // Where nothing was chosen, a page must not begin with nothing but zeros.
  if (!chosen && last !== '' && daysBetween(last, now) >= preset.days) atLast = true;
  const end = atLast && last ? last : now;
  if (preset.days === 0) {
    const begin = known?.first || now;
    return { from: begin, to: last > now ? last : now, name: preset.name, label: preset.label, atLast: false, chosen };
  }
  const day = preset.name === 'yesterday' ? addDays(end, -1) : end;
  return { from: addDays(day, 1 - preset.days), to: day, name: preset.name, label: preset.label, atLast, chosen };
});

export const projects = computed(() => query.value.getAll('project'));
export const models = computed(() => query.value.getAll('model'));
export const tools = computed(() => query.value.getAll('tool'));

/** How many filters besides the days are set. */
export const filterCount = computed(() => projects.value.length + models.value.length + tools.value.length);
