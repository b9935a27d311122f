// Between which days there is data, and in which time zone they are counted: what a page has to know before it asks.
import { computed } from '@preact/signals';
import { panel } from '../api/panel';

export const dataRangePanel = panel<{ first_day: string | null; last_day: string | null; days: number; zone: string }>('data_range', {}, { filters: false });

const row = computed(() => dataRangePanel.data.value?.rows[0]);

/** The first and the last day with data; undefined until known, no days when there is no data. */
export const dataDays = computed(() => row.value && { first: row.value.first_day ?? '', last: row.value.last_day ?? '' });

export const dataZone = computed(() => row.value?.zone);
