// A dialog that opens by a key, closes by its own means, and may be asked for again before the closing was drawn.
import { signal } from '@preact/signals';
import type { ComponentType, RefObject } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';

/** What a dialog's content is given: the reference its `<dialog>` carries, and what that calls when it has closed. */
export interface Shown {
  dialog: RefObject<HTMLDialogElement | null>;
  closed: () => void;
}

/**
 * A dialog that is there while it is open. Each opening is one of its own, with a number: drawing waits for the next
 * frame, and a dialog that was closed and asked for again within one would otherwise stay the one that is closed.
 */
export function opening(Content: ComponentType<Shown>): { open: () => void; Dialog: ComponentType } {
  const now = signal(0);
  let openings = 0;
  let shown: HTMLDialogElement | null = null;

  function One({ which }: { which: number }) {
    const dialog = useRef<HTMLDialogElement>(null);
    useLayoutEffect(() => {
      shown = dialog.current;
      shown?.showModal();
    }, []);
    return <Content dialog={dialog} closed={() => { if (now.value === which) now.value = 0; }} />;
  }

  return {
    open: () => { if (!shown?.open) now.value = ++openings; },
    Dialog: () => (now.value ? <One key={now.value} which={now.value} /> : null),
  };
}
