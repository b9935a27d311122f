// What /api/v1/status answers, as far as the page shows it. Everything may be absent: parts start one after the other.
export interface Status {
  version?: string;
  command?: string;
  started?: string;
  report_tz?: string;
  data_dir?: string;
  sources?: SourceStatus[];
  stream?: { last_seq?: number; messages?: number; bytes?: number; dead_letters?: number };
  sink?: { state?: string; lake?: SinkPart; warehouse?: SinkPart };
  models?: {
    running?: boolean;
    last?: { id: number; kind: string; reason: string; started: string; finished: string; seconds: number; changed_sessions: number; sessions: number; error?: string };
    refreshes?: number;
    failures?: number;
    newest?: string;
    pending?: number;
    tests?: { failed?: number; passed?: number; errors?: number; warned?: number };
  };
  published?: { refresh?: number; published_at?: string; bytes?: number; pending?: boolean; error?: string };
}

export interface SourceStatus {
  lane?: string;
  kind?: string;
  state?: string;
  files?: number;
  documents?: number;
  bytes?: number;
  lag_bytes?: number;
  dead_letters?: number;
  caught_up?: boolean;
  error?: string;
  last_publish?: string;
}

export interface SinkPart {
  seq?: number;
  seen?: number;
  lag?: number;
  rows?: number;
  batches?: number;
  dead_letters?: number;
  newest?: string;
  last_at?: string;
  error?: string;
}

/** How much of what the sources have is in the warehouse already; undefined when all of it is. */
export function importing(s: Status | undefined): { done: number; all: number } | undefined {
  const applied = s?.sink?.warehouse;
  const lag = applied?.lag ?? 0;
  const unread = s?.sources?.some((source) => source.caught_up === false) && (applied?.seq ?? 0) === 0;
  if (!applied || (lag < 1000 && !unread)) return undefined;
  return { done: applied.seq ?? 0, all: Math.max((applied.seq ?? 0) + lag, s.stream?.last_seq ?? 0) };
}
