// A project has one name everywhere: the one that dim_projects gives it, with its id where others have the same.
import { computed } from '@preact/signals';
import { panel } from '../api/panel';

export interface ProjectRow { project_id: string; project_name: string; project_path: string; total_sessions: number; total_messages: number; total_tokens: number; last_activity: string }

/** All projects; the status bar, which every page has, keeps it fresh. */
export const projectsPanel = panel<ProjectRow>('projects', {}, { filters: false });

const names = computed(() => {
  const rows = projectsPanel.data.value?.rows ?? [];
  const times = new Map<string, number>();
  for (const p of rows) times.set(p.project_name, (times.get(p.project_name) ?? 0) + 1);
  return new Map(rows.map((p) => [p.project_id, times.get(p.project_name) === 1 ? p.project_name : `${p.project_name} · ${p.project_id}`]));
});

export const projectName = (id: string): string => names.value.get(id) || id || '(none)';
