// The log by keyboard: arrows go from message to message, Enter opens what can be done with one.

import { byId } from './dom';

/** `act` does what a key stands for with the message that has the focus. */
export function arrowKeys(act: (key: string, li: HTMLElement) => boolean): void {
  const list = byId('messages');
  const box = byId('log');
  const focused = () => document.activeElement?.closest<HTMLElement>('#messages > li') ?? null;

  function visible(): HTMLElement | null {
    const { bottom } = box.getBoundingClientRect();
    const all = [...list.querySelectorAll<HTMLElement>(':scope > li[tabindex]')];
    return all.findLast((li) => li.getBoundingClientRect().top < bottom) ?? null;
  }

  function step(li: HTMLElement, down: boolean): HTMLElement | null {
    let next: Element | null = li;
    do next = down ? next.nextElementSibling : next.previousElementSibling;
    while (next && !next.hasAttribute('tabindex'));
    return next as HTMLElement | null;
  }

  box.addEventListener('keydown', (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const li = focused();
    const { key } = event;
    if (key === 'ArrowUp' || key === 'ArrowDown') {
      const to = li ? step(li, key === 'ArrowDown') : visible();
      to?.focus();
      event.preventDefault();
    } else if (li && document.activeElement === li && act(key, li)) {
      event.preventDefault();
    }
  });
}
