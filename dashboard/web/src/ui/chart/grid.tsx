// Heat maps: rows by columns, and a year as a calendar. The colour's step grows with the square root, so that quiet hours
// still differ.
import { addDays, daysBetween } from '../../state/zone';
import { day } from '../format';
import { Chart, type Mark } from './frame';

const steps = 5;
const level = (value: number, most: number): number => (value <= 0 ? 0 : Math.max(1, Math.ceil(Math.sqrt(value / most) * steps)));

interface GridProps {
  label: string;
  height: number;
  rows: string[];
  columns: string[];
  value: (row: number, column: number) => number;
  format: (value: number) => string;
  title: (row: number, column: number) => string;
  open?: (row: number, column: number) => string | undefined;
  /** Every n-th column has its name. */
  every?: number;
}

export function HeatMap({ label, height, rows, columns, value, format, title, open, every = 1 }: GridProps) {
  const left = 38;
  const bottom = 20;
  const size = (width: number) => ({ w: (width - left) / columns.length, h: (height - bottom) / rows.length });
  let most = 0;
  rows.forEach((_, r) => columns.forEach((_, c) => (most = Math.max(most, value(r, c)))));
  return (
    <Chart
      label={label}
      height={height}
      rowLength={columns.length}
      find={(x, y, width) => {
        const { w, h } = size(width);
        const c = Math.floor((x - left) / w);
        const r = Math.floor(y / h);
        return c >= 0 && c < columns.length && r >= 0 && r < rows.length ? r * columns.length + c : -1;
      }}
      marks={(width) => {
        const { w, h } = size(width);
        return rows.flatMap((_, r) => columns.map((_, c): Mark => ({
          x: left + w * (c + 0.5), y: h * r, title: title(r, c),
          lines: [{ name: value(r, c) > 0 ? '' : 'nothing', value: value(r, c) > 0 ? format(value(r, c)) : '' }],
          href: value(r, c) > 0 ? open?.(r, c) : undefined,
        })));
      }}
      draw={(width, now) => {
        const { w, h } = size(width);
        const paths = new Array<string>(steps + 1).fill('');
        rows.forEach((_, r) => columns.forEach((_, c) => {
          paths[level(value(r, c), most)] += `M${(left + w * c + 1).toFixed(1)} ${(h * r + 1).toFixed(1)}h${(w - 2).toFixed(1)}v${(h - 2).toFixed(1)}h${(2 - w).toFixed(1)}z`;
        }));
        return (
          <>
            {rows.map((r, i) => <text key={r} class="tick" x={0} y={h * (i + 0.5) + 4}>{r}</text>)}
            {columns.map((c, i) => i % every === 0 && <text key={c} class="tick" x={left + w * i + 1} y={height - 5}>{c}</text>)}
            {paths.map((d, i) => <path key={i} class={`heat-${i}`} d={d} />)}
            {now >= 0 && <rect class="picked" x={left + w * (now % columns.length)} y={h * Math.floor(now / columns.length)} width={w} height={h} />}
          </>
        );
      }}
    />
  );
}

interface CalendarProps {
  label: string;
  /** The last day shown. */
  to: string;
  values: Map<string, number>;
  format: (value: number) => string;
  open?: (day: string) => string;
  /** The days that the page shows, to stand out. */
  shown?: { from: string; to: string } | undefined;
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

export const calendarHeight = 132;

/** The weeks before a day, as many as there is room for, up to 53. */
export function Calendar({ label, to, values, format, open, shown }: CalendarProps) {
  const left = 34;
  const head = 16;
  const cell = 16;
  const weeksOf = (width: number) => Math.min(53, Math.floor((width - left) / 13));
  const pitch = (width: number) => (width - left) / weeksOf(width);
  const start = (width: number) => {
    const weekday = (new Date(to + 'T00:00:00Z').getUTCDay() + 6) % 7; // Monday is first
    return addDays(to, -weekday - 7 * (weeksOf(width) - 1));
  };
  const most = Math.max(1, ...values.values());
  const place = (i: number, width: number) => ({ x: left + Math.floor(i / 7) * pitch(width), y: head + (i % 7) * cell });
  return (
    <Chart
      label={label}
      height={calendarHeight}
      rowLength={1}
      find={(x, y, width) => {
        const week = Math.floor((x - left) / pitch(width));
        const row = Math.floor((y - head) / cell);
        const i = week * 7 + row;
        return week >= 0 && row >= 0 && row < 7 && i <= daysBetween(start(width), to) ? i : -1;
      }}
      marks={(width) => {
        const first = start(width);
        return Array.from({ length: daysBetween(first, to) + 1 }, (_, i): Mark => {
          const d = addDays(first, i);
          const value = values.get(d) ?? 0;
          const { x, y } = place(i, width);
          return { x: x + cell / 2, y, title: day(d, 'weekday'), lines: [{ name: value > 0 ? '' : 'nothing', value: value > 0 ? format(value) : '' }], href: value > 0 ? open?.(d) : undefined };
        });
      }}
      draw={(width, now) => {
        const first = start(width);
        const length = daysBetween(first, to) + 1;
        const w = pitch(width) - 2;
        const paths = new Array<string>(steps + 1).fill('');
        const names: { x: number; text: string }[] = [];
        let frame = '';
        for (let i = 0; i < length; i++) {
          const d = addDays(first, i);
          const { x, y } = place(i, width);
          const square = `M${x.toFixed(1)} ${y}h${w.toFixed(1)}v${cell - 2}h${(-w).toFixed(1)}z`;
          paths[level(values.get(d) ?? 0, most)] += square;
          if (shown && i % 7 === 0 && addDays(d, 6) >= shown.from && d <= shown.to) frame += `M${(x - 1).toFixed(1)} ${head + 7 * cell}h${(w + 2).toFixed(1)}`;
          if (i % 7 === 0 && Number(d.slice(8)) <= 7 && x < width - 24) names.push({ x, text: months[Number(d.slice(5, 7)) - 1]! });
        }
        return (
          <>
            {['Mon', 'Wed', 'Fri'].map((n, i) => <text key={n} class="tick" x={0} y={head + cell * (i * 2) + 11}>{n}</text>)}
            {names.map((n) => <text key={n.x} class="tick" x={n.x} y={10}>{n.text}</text>)}
            {paths.map((d, i) => <path key={i} class={`heat-${i}`} d={d} />)}
            <path class="shown-days" d={frame} />
            {now >= 0 && <rect class="picked" x={place(now, width).x - 1} y={place(now, width).y - 1} width={w + 2} height={cell} />}
          </>
        );
      }}
    />
  );
}

export function HeatLegend() {
  return (
    <span class="heat-legend" aria-hidden="true">
      less{[0, 1, 2, 3, 4, 5].map((i) => <i key={i} class={`heat-${i}`} />)}more
    </span>
  );
}
