// Notifications of the browser, for mentions and direct messages while the reader looks elsewhere.

import { keep, kept } from './memory';

const KEPT = 'notify';

export function mayNotify(): NotificationPermission | 'never' {
  return 'Notification' in window && isSecureContext ? Notification.permission : 'never';
}

export function notifying(): boolean {
  return kept(KEPT) === '1' && mayNotify() === 'granted';
}

/** Asks the browser, which asks the reader. */
export async function setNotifying(on: boolean): Promise<void> {
  const may = on && mayNotify() === 'default' ? await Notification.requestPermission() : '';
  keep(KEPT, on && (may === 'granted' || mayNotify() === 'granted') ? '1' : '');
}

/** Another one with this tag takes its place. */
export function notify(title: string, body: string, tag: string, clicked: () => void): void {
  if (!notifying() || (!document.hidden && document.hasFocus())) return;
  try {
    const notification = new Notification(title, { body, tag });
    notification.onclick = () => {
      window.focus();
      notification.close();
      clicked();
    };
  } catch {
    // Chrome on Android wants a service worker for it: then there are none.
  }
}
