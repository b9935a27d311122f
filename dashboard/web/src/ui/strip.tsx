// A strip of key figures, each with its change against the period before.
import { change, num } from './format';

export interface Figure {
  name: string;
  value: string;
  about?: string;
  now?: number;
  before?: number;
  /** Which direction is good; neither without it. */
  good?: 'up' | 'down';
  note?: string;
  href?: string;
}

export function Strip({ figures }: { figures: Figure[] }) {
  return (
    <div class="strip">
      {figures.map((f) => {
        const delta = f.before === undefined ? undefined : change(num(f.now), f.before);
        const tone = delta && f.good && delta.sign !== 0 ? ((delta.sign > 0) === (f.good === 'up') ? 'good' : 'bad') : '';
        const inner = (
          <>
            <span class="name">{f.name}</span>
            <span class="value">{f.value}</span>
            <span class="delta">{delta && <span class={tone} title="against the period of equal length before">{delta.text}</span>}{f.note && <> {f.note}</>}&nbsp;</span>
          </>
        );
        return f.href ? <a key={f.name} class="figure" href={f.href} title={f.about}>{inner}</a> : <div key={f.name} class="figure" title={f.about}>{inner}</div>;
      })}
    </div>
  );
}

export function Switch<T extends string>({ label, value, options, onChange }: { label: string; value: T; options: [T, string][]; onChange: (value: T) => void }) {
  return (
    <div class="switch" role="group" aria-label={label}>
      {options.map(([key, name]) => <button key={key} type="button" aria-pressed={value === key} onClick={() => onChange(key)}>{name}</button>)}
    </div>
  );
}
