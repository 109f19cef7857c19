// Dialogs: the browser keeps the focus within an open one and gives it back afterwards.

import { byId, make } from './dom';

/** Opens the <dialog> with this id; one at a time. */
export function openDialog(id: string): HTMLDialogElement {
  const dialog = byId<HTMLDialogElement>(id);
  for (const other of document.querySelectorAll('dialog[open]')) {
    if (other !== dialog) (other as HTMLDialogElement).close();
  }
  if (!dialog.open) dialog.showModal();
  return dialog;
}

/** A button within it that has data-close closes a dialog, and so does a click beside it. */
export function prepareDialogs(): void {
  for (const dialog of document.querySelectorAll('dialog')) {
    dialog.addEventListener('click', (event) => {
      const { target } = event;
      if (target === dialog) dialog.close();
      else if (target instanceof Element && target.closest('[data-close]')) dialog.close();
    });
  }
}

export interface Choice {
  label: string;
  danger?: boolean;
  act(): void;
}

/** Shows a few things that can be done, one of which is chosen. */
export function openMenu(title: string, note: string, choices: Choice[]): void {
  byId('menu-title').textContent = title;
  byId('menu-note').textContent = note;
  byId('menu-note').hidden = note === '';
  const items = choices.map(({ label, danger, act }) => {
    const button = make('button', danger ? 'choice danger' : 'choice', label);
    button.type = 'button';
    button.addEventListener('click', () => {
      byId<HTMLDialogElement>('menu').close();
      act();
    });
    return make('li', '', button);
  });
  byId('menu-list').replaceChildren(...items);
  openDialog('menu');
  items[0]?.querySelector('button')?.focus();
}

/** Asks before something that can't be taken back. */
export function confirmThen(question: string, note: string, label: string, act: () => void): void {
  openMenu(question, note, [
    { label: 'Cancel', act: () => undefined },
    { label, danger: true, act },
  ]);
}

/** Calls `act` instead of sending the form. */
export function onSubmit(id: string, act: (form: HTMLFormElement) => void): void {
  const form = byId<HTMLFormElement>(id);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    act(form);
  });
}
