// A session's steps, in chunks by position: those in view are kept fresh, the others are read when they come into view.
import { signal, type Signal } from '@preact/signals';
import { type ApiError, getJSON, type PanelAnswer } from '../api/client';

export interface Step {
  created_at: string; completed_at: string | null; kind: 'message' | 'tool_call' | 'event'; role: string | null; what: string; turn_number: number | null;
  is_sidechain: boolean | null; agent_id: string | null; length: number | null; thinking_length: number | null; status: string | null; error_type: string | null;
  milliseconds: number | null; key: string; text: string | null; thinking: string | null; input: string | null; result: string | null; result_length: number | null;
  model: string | null; input_tokens: number | null; output_tokens: number | null; cache_read_tokens: number | null; total_tokens: number | null; cost_usd: number | null;
  is_priced: boolean | null; output_is_lower_bound: boolean | null; steps: number;
}

export const chunkSize = 50;

export interface View {
  session: string;
  /** main, an agent's id, or nothing for all. */
  agent: string;
  only: string;
}

/** Where a panel's answer is, as rows that are objects. */
export async function rowsOf<R>(name: string, params: Record<string, string | number>, abort?: AbortSignal): Promise<R[]> {
  const text = new URLSearchParams(Object.entries(params).filter(([, value]) => value !== '').map(([key, value]) => [key, String(value)]));
  const answer = await getJSON<PanelAnswer>(`/api/v1/panels/${name}?${text.toString()}`, abort);
  const names = answer.columns.map((c) => c.name);
  return answer.rows.map((cells) => Object.fromEntries(names.map((column, i) => [column, (cells as unknown[])[i]])) as R);
}

export class Steps {
  /** How many there are; undefined until the first answer. */
  readonly total = signal<number | undefined>(undefined);
  readonly error = signal<ApiError | undefined>(undefined);
  readonly heights = new Map<number, number>();
  private readonly chunks = new Map<number, Signal<Step[] | undefined>>();
  private readonly shown = new Set<number>();
  private readonly stale = new Set<number>();
  private readonly loading = new Set<number>();
  private again = false;

  constructor(readonly view: View) {}

  chunk(i: number): Signal<Step[] | undefined> {
    let one = this.chunks.get(i);
    if (!one) this.chunks.set(i, (one = signal(undefined)));
    return one;
  }

  show(i: number): void {
    this.shown.add(i);
    if (!this.chunk(i).peek() || this.stale.has(i)) void this.load(i);
  }

  hide(i: number): void {
    this.shown.delete(i);
    // What is far away is given back: a long session would otherwise fill the memory.
    if (this.chunks.size > 60) {
      for (const far of this.chunks.keys()) {
        if (!this.shown.has(far) && Math.abs(far - i) > 20) this.chunks.delete(far);
      }
    }
  }

  /** Reads again what is shown, and how many there are. */
  async refresh(): Promise<void> {
    for (const i of this.chunks.keys()) this.stale.add(i);
    const last = Math.max(0, Math.ceil((this.total.peek() ?? 0) / chunkSize) - 1);
    await Promise.all([...new Set([...this.shown, last])].map((i) => this.load(i)));
  }

  async load(i: number): Promise<void> {
    if (this.loading.has(i)) {
      this.again = true;
      return;
    }
    this.loading.add(i);
    this.stale.delete(i);
    try {
      const rows = await rowsOf<Step>('session_timeline', { ...this.view, limit: chunkSize, offset: i * chunkSize });
      const before = this.chunk(i).peek();
      if (!before || JSON.stringify(before) !== JSON.stringify(rows)) this.chunk(i).value = rows;
      this.error.value = undefined;
      if (rows[0]) this.total.value = rows[0].steps;
      else if (i === 0) this.total.value = 0;
    } catch (fault) {
      this.stale.add(i);
      this.error.value = fault as ApiError;
    } finally {
      this.loading.delete(i);
      if (this.again && this.loading.size === 0) {
        this.again = false;
        for (const one of this.shown) if (this.stale.has(one)) void this.load(one);
      }
    }
  }
}
