// Shortcuts that work everywhere on the page. The dialog of shortcuts in index.html lists them.

export interface Shortcuts {
  room(down: boolean, unread: boolean): void;
  search(): void;
  browse(): void;
  help(): void;
  escape(): void;
}

const typing = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && target.matches('input, textarea, select');

export function shortcuts(act: Shortcuts): void {
  document.addEventListener('keydown', (event) => {
    if (event.defaultPrevented || document.querySelector('dialog[open]')) return;
    const { key, altKey, shiftKey } = event;
    const command = event.ctrlKey || event.metaKey;
    const handled = (): void => event.preventDefault();
    if (altKey && !command && (key === 'ArrowUp' || key === 'ArrowDown')) {
      handled();
      act.room(key === 'ArrowDown', shiftKey);
    } else if (command && !altKey && key.toLowerCase() === 'k') {
      handled();
      if (shiftKey) act.browse();
      else act.search();
    } else if (key === '?' && !typing(event.target)) {
      handled();
      act.help();
    } else if (key === 'Escape') {
      act.escape();
    }
  });
}
