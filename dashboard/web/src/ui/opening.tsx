// A dialog that opens by a key, closes by its own means, and may be asked for again before the closing was drawn.
import { signal } from '@preact/signals';
import type { ComponentType } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';

/**
 * A dialog that is there while it is open, with a name, a class and what is in it. Each opening is one of its own, with a
 * number: drawing waits for the next frame, and a dialog that was closed and asked for again within one would otherwise stay
 * the one that is closed. A click beside it closes it.
 */
export function opening(name: string, style: string, Content: ComponentType<{ close: () => void }>): { open: () => void; Dialog: ComponentType } {
  const now = signal(0);
  let openings = 0;
  let shown: HTMLDialogElement | null = null;

  function One({ which }: { which: number }) {
    const dialog = useRef<HTMLDialogElement>(null);
    useLayoutEffect(() => {
      shown = dialog.current;
      shown?.showModal();
    }, []);
    const close = () => dialog.current?.close();
    return (
      <dialog ref={dialog} class={style} aria-label={name} onClose={() => { if (now.value === which) now.value = 0; }} onClick={(e) => e.target === dialog.current && close()}>
        <div class="inside"><Content close={close} /></div>
      </dialog>
    );
  }

  return {
    open: () => { if (!shown?.open) now.value = ++openings; },
    Dialog: () => (now.value ? <One key={now.value} which={now.value} /> : null),
  };
}
