// Short words to the reader above the message box: refusals, notices, invitations.

import { byId, make } from './dom';

const MOST = 3;

export interface Toast {
  text: string;
  kind?: 'error' | 'notice';
  /** Another one of the same topic takes its place. */
  topic?: string;
  action?: { label: string; act(): void };
}

const box = byId('toasts');

function remove(toast: Element): void {
  const focused = toast.contains(document.activeElement);
  toast.remove();
  if (focused) byId('text').focus();
}

function quiet(label: string, act: () => void): HTMLButtonElement {
  const button = make('button', 'quiet', label);
  button.type = 'button';
  button.addEventListener('click', act);
  return button;
}

export function clearToasts(topic: string): void {
  for (const toast of [...box.children]) {
    if ((toast as HTMLElement).dataset['topic'] === topic) remove(toast);
  }
}

export function addToast({ text, kind = 'error', topic = text, action }: Toast): void {
  const same = (one: Element) =>
    (one as HTMLElement).dataset['topic'] === topic && one.firstChild?.textContent === text;
  if ([...box.children].some(same)) return; // it is not read out a second time
  clearToasts(topic);
  const toast = make('div', `toast ${kind}`, make('p', '', text));
  toast.dataset['topic'] = topic;
  toast.role = kind === 'error' ? 'alert' : 'status';
  if (action) {
    toast.append(
      quiet(action.label, () => {
        remove(toast);
        action.act();
      }),
    );
  }
  toast.append(quiet('Dismiss', () => remove(toast)));
  box.append(toast);
  while (box.childElementCount > MOST) remove(box.firstElementChild!);
}
