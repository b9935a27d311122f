// Bars, or steps, along days. A day without data has no mark: nothing is drawn between sparse days.
import { addDays, daysBetween } from '../../state/zone';
import { day } from '../format';
import { Chart, colors, Legend, type Mark, otherColor } from './frame';
import { labelEvery, ticks } from './scale';

export interface Series {
  name: string;
  /** Value by day. */
  values: Map<string, number>;
  color?: string;
  href?: string | undefined;
}

interface Props {
  label: string;
  height: number;
  from: string;
  to: string;
  series: Series[];
  format: (value: number) => string;
  /** What a click on a day opens. */
  open?: (from: string, to: string) => string;
  /** stack: bars on each other; line: one line a series. */
  kind?: 'stack' | 'line';
}

const top = 8;
const bottom = 22;
const left = 52;

/** Days, or weeks or months where there are too many days for the room. */
function buckets(from: string, to: string, width: number): { first: string; last: string; label: string }[] {
  const length = daysBetween(from, to) + 1;
  const room = Math.max(20, (width - left) / 5);
  const out: { first: string; last: string; label: string }[] = [];
  if (length <= room) {
    for (let i = 0; i < length; i++) {
      const d = addDays(from, i);
      out.push({ first: d, last: d, label: day(d, 'short') });
    }
    return out;
  }
  const size = length / 7 <= room ? 7 : Math.ceil(length / room / 30) * 30;
  for (let i = 0; i < length; i += size) {
    const first = addDays(from, i);
    const last = addDays(from, Math.min(length - 1, i + size - 1));
    out.push({ first, last, label: day(first, size > 7 ? 'long' : 'short') });
  }
  return out;
}

function gather(series: Series[], parts: { first: string; last: string }[], from: string): number[][] {
  const length = parts.length > 1 ? daysBetween(parts[0]!.first, parts[1]!.first) : 1_000_000;
  return series.map((s) => {
    const out = new Array<number>(parts.length).fill(0);
    for (const [d, value] of s.values) {
      const i = Math.floor(daysBetween(from, d) / length);
      if (i >= 0 && i < out.length) out[i]! += value;
    }
    return out;
  });
}

export function DayChart({ label, height, from, to, series, format, open, kind = 'stack' }: Props) {
  const color = (i: number) => series[i]?.color ?? (series[i]?.name === 'other' ? otherColor : (colors[i] ?? otherColor));
  const legend = series.length > 1;
  const inner = legend ? height - 26 : height;
  let made: { width: number; parts: ReturnType<typeof buckets>; sums: number[][]; scale: number[] } | undefined;
  const at = (width: number) => {
    if (made?.width === width) return made;
    const parts = buckets(from, to, width);
    const sums = gather(series, parts, from);
    const tops = parts.map((_, i) => (kind === 'stack' ? sums.reduce((sum, s) => sum + s[i]!, 0) : Math.max(0, ...sums.map((s) => s[i]!))));
    made = { width, parts, sums, scale: ticks(Math.max(0, ...tops), inner > 140 ? 4 : 3) };
    return made;
  };
  const y = (value: number, scale: number[]) => inner - bottom - (value / scale.at(-1)!) * (inner - bottom - top);
  return (
    <>
      <Chart
        label={label}
        height={inner}
        find={(x, _, width) => {
          const n = at(width).parts.length;
          const i = Math.floor(((x - left) / (width - left)) * n);
          return i >= 0 && i < n ? i : -1;
        }}
        marks={(width) => {
          const { parts, sums } = at(width);
          const slot = (width - left) / parts.length;
          return parts.map((p, i): Mark => {
            const lines = series.map((s, k) => ({ color: color(k), name: s.name, value: sums[k]![i]! })).filter((l) => l.value !== 0);
            const total = lines.reduce((sum, l) => sum + l.value, 0);
            const shown = kind === 'stack' && lines.length > 1 ? [{ name: 'all', value: total }, ...lines.sort((a, b) => b.value - a.value).slice(0, 6)] : lines;
            return {
              x: left + slot * (i + 0.5), y: top + 4,
              title: p.first === p.last ? day(p.first, 'weekday') : `${day(p.first)} – ${day(p.last)}`,
              lines: shown.length > 0 ? shown.map((l) => ({ ...l, value: format(l.value) })) : [{ name: 'nothing', value: '' }],
              href: lines.length > 0 ? open?.(p.first, p.last) : undefined,
            };
          });
        }}
        draw={(width, now) => {
          const { parts, sums, scale } = at(width);
          const slot = (width - left) / parts.length;
          const bar = Math.max(1, Math.min(slot - (slot > 6 ? 2 : 0.6), 40));
          const every = labelEvery(parts.length, width - left, parts.some((p) => p.label.length > 7) ? 84 : 54);
          return (
            <>
              {scale.map((t) => (
                <g key={t}>
                  <line class="grid" x1={left} x2={width} y1={y(t, scale)} y2={y(t, scale)} />
                  <text class="tick" x={left - 8} y={y(t, scale) + 4} text-anchor="end">{format(t).replace(/\.00$/, '')}</text>
                </g>
              ))}
              {parts.map((p, i) => i % every === 0 && (slot * (parts.length - i) > 30) && (
                <text key={p.first} class="tick" x={left + slot * (i + 0.5)} y={inner - 5} text-anchor={parts.length > 1 ? 'middle' : 'start'}>{p.label}</text>
              ))}
              {now >= 0 && <rect class="cursor" x={left + slot * now} y={top} width={slot} height={inner - bottom - top} />}
              {kind === 'stack' ? stacks(parts.length, sums, (i) => left + slot * i + (slot - bar) / 2, bar, (v) => y(v, scale), color) : lines(parts.length, sums, (i) => left + slot * (i + 0.5), (v) => y(v, scale), color)}
            </>
          );
        }}
      />
      {legend && <Legend entries={series.map((s, i) => ({ name: s.name, color: color(i), href: s.href }))} />}
    </>
  );
}

/** One path a series, however many days: few elements to keep up to date. */
function stacks(n: number, sums: number[][], x: (i: number) => number, bar: number, y: (v: number) => number, color: (i: number) => string) {
  const base = new Array<number>(n).fill(0);
  return sums.map((values, k) => {
    let d = '';
    for (let i = 0; i < n; i++) {
      const value = values[i]!;
      if (value <= 0) continue;
      const from = base[i]!;
      base[i] = from + value;
      const height = Math.max(y(from) - y(from + value), from === 0 ? 1 : 0);
      d += `M${x(i).toFixed(1)} ${y(from).toFixed(1)}v${(-height).toFixed(1)}h${bar.toFixed(1)}v${height.toFixed(1)}z`;
    }
    return <path key={k} d={d} fill={color(k)} />;
  });
}

function lines(n: number, sums: number[][], x: (i: number) => number, y: (v: number) => number, color: (i: number) => string) {
  return sums.map((values, k) => {
    let d = '';
    let dots = '';
    for (let i = 0; i < n; i++) {
      if (values[i]! <= 0) continue;
      const joined = i > 0 && values[i - 1]! > 0;
      d += `${joined ? 'L' : 'M'}${x(i).toFixed(1)} ${y(values[i]!).toFixed(1)}`;
      if (!joined && !(values[i + 1]! > 0)) dots += `M${(x(i) - 2).toFixed(1)} ${y(values[i]!).toFixed(1)}a2 2 0 1 0 4 0a2 2 0 1 0 -4 0`;
    }
    return (
      <g key={k}>
        <path class="stroke" d={d} stroke={color(k)} />
        <path d={dots} fill={color(k)} />
      </g>
    );
  });
}
