import { useComputed, useSignal, useSignalEffect } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { type Answer, type Extra, type Panel, panel, type Row } from '../api/panel';
import type { ApiError } from '../api/client';

/** What a page knows of a panel at a moment. */
export interface Shown<R> {
  name: string;
  url: string;
  answer: Answer<R> | undefined;
  error: ApiError | undefined;
  /** The answer is that of other filters, while the one asked for is on its way. */
  old: boolean;
  reload: () => void;
}

/** A panel with the filters of now. While a new answer is on its way the last one is shown. */
export function usePanel<R = Row>(name: string, extra: Extra = {}, how: { filters?: boolean } = {}): Shown<R> {
  const asked = how.filters === false ? panel<R>(name, extra, { filters: false }) : panel<R>(name, extra);
  const last = useRef<Answer<R> | undefined>(undefined);
  useEffect(() => asked?.use(), [asked]);
  const answer = asked?.data.value;
  const error = asked?.error.value;
  if (answer) last.current = answer;
  return { name, url: asked?.url ?? '', answer: answer ?? (error ? undefined : last.current), error, old: !answer, reload: () => asked?.reload() };
}

/** Keeps a panel made elsewhere fresh while it is shown. */
export function useKept<R>(of: Panel<R>): void {
  useEffect(() => of.use(), [of]);
}

/** The width of an element, known before it is painted. */
export function useWidth(): [{ current: HTMLDivElement | null }, number] {
  const ref = useRef<HTMLDivElement | null>(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const element = ref.current;
    if (!element) return;
    setWidth(Math.floor(element.clientWidth));
    const observer = new ResizeObserver((entries) => {
      const next = Math.floor(entries[0]!.contentRect.width);
      setWidth((now) => (now === next ? now : next));
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return [ref, width];
}

/** A moment that moves on each second while somebody looks. */
export function useNow(every = 1000): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => {
      if (document.visibilityState === 'visible') setNow(Date.now());
    }, every);
    return () => clearInterval(timer);
  }, [every]);
  return now;
}

export { useComputed, useSignal, useSignalEffect };
