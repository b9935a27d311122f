// Tokens along a session as bars, and what it had cost by then as a line. Time without responses stays empty.
import { clock, compact, money, moment, num } from '../ui/format';
import { Chart } from '../ui/chart/frame';

export interface CostPart { ended_at: string; api_requests: number; total_tokens: number; output_tokens: number; prompt_tokens: number | null; cost_usd: number; unpriced_requests: number; total_tokens_so_far: number; cost_usd_so_far: number }

const height = 150;
const bottom = 18;

export function CostChart({ rows }: { rows: CostPart[] }) {
  const begin = Date.parse(rows[0]!.ended_at);
  const length = Math.max(1, Date.parse(rows.at(-1)!.ended_at) - begin);
  const most = Math.max(1, ...rows.map((r) => num(r.total_tokens)));
  const all = Math.max(1e-9, num(rows.at(-1)!.cost_usd_so_far));
  const x = (r: CostPart, width: number) => 4 + ((Date.parse(r.ended_at) - begin) / length) * (width - 8);
  const y = (share: number) => (height - bottom) - share * (height - bottom - 16);
  return (
    <Chart
      label={`Tokens along the session, and its cost so far: ${money(all)} in the end`}
      height={height}
      find={(px, _, width) => rows.reduce((best, r, i) => (Math.abs(x(r, width) - px) < Math.abs(x(rows[best]!, width) - px) ? i : best), 0)}
      marks={(width) => rows.map((r) => ({
        x: x(r, width), y: 10, title: moment(r.ended_at),
        lines: [
          { name: 'tokens', value: compact(r.total_tokens), color: 'var(--series-1)' }, { name: 'responses', value: compact(r.api_requests) },
          { name: 'largest prompt', value: compact(r.prompt_tokens) }, { name: 'cost so far', value: money(r.cost_usd_so_far), color: 'var(--series-2)' },
        ],
      }))}
      draw={(width, at) => (
        <>
          {at >= 0 && <rect class="cursor" x={x(rows[at]!, width) - 4} y={0} width={8} height={height - bottom} />}
          <path fill="var(--series-1)" d={rows.map((r) => `M${(x(r, width) - 1).toFixed(1)} ${height - bottom}v${(y(num(r.total_tokens) / most) - (height - bottom)).toFixed(1)}h2.4V${height - bottom}z`).join('')} />
          <path class="stroke" stroke="var(--series-2)" d={rows.map((r, i) => `${i ? `H${x(r, width).toFixed(1)}V` : `M${x(r, width).toFixed(1)} `}${y(num(r.cost_usd_so_far) / all).toFixed(1)}`).join('')} />
          <text class="tick" x={2} y={height - 4}>{clock(rows[0]!.ended_at)}</text>
          <text class="tick" x={width - 2} y={height - 4} text-anchor="end">{clock(rows.at(-1)!.ended_at)}</text>
          <text class="tick" x={width - 2} y={10} text-anchor="end">{money(all)}</text>
        </>
      )}
    />
  );
}
