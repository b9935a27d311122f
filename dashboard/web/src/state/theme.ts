import { signal } from '@preact/signals';
import { keep, recall } from './stored';

export type Theme = 'system' | 'light' | 'dark';

const key = 'claude-analytics-theme';
const stored = recall('localStorage', key);
export const theme = signal<Theme>(stored === 'light' || stored === 'dark' ? stored : 'system');

export function startTheme(): void {
  theme.subscribe((value) => {
    if (value === 'system') document.documentElement.removeAttribute('data-theme');
    else document.documentElement.dataset['theme'] = value;
    keep('localStorage', key, value);
  });
}

export function nextTheme(): void {
  theme.value = theme.value === 'system' ? 'light' : theme.value === 'light' ? 'dark' : 'system';
}
