/** Round numbers from 0 to at least top, few of them. */
export function ticks(top: number, wanted = 4): number[] {
  if (!(top > 0)) return [0, 1];
  const raw = top / wanted;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= raw) ?? 10 * power;
  const out: number[] = [];
  for (let i = 0; i * step < top + step * 0.999; i++) out.push(i * step);
  return out;
}

/** Which of so many positions get a label, so that labels do not touch. */
export function labelEvery(positions: number, width: number, labelWidth: number): number {
  return Math.max(1, Math.ceil((positions * labelWidth) / Math.max(1, width)));
}
