// What the browser keeps: for good (the nickname, whether to notify), or as long as the tab
// (drafts, what is unsent, the rooms of a guest). Storage may be forbidden: then it lasts as long
// as the page.

const PREFIX = 'polyio-chat.';

function recall(storage: () => Storage, name: string): string {
  try {
    return storage().getItem(PREFIX + name) ?? '';
  } catch {
    return '';
  }
}

function remember(storage: () => Storage, name: string, value: string): void {
  try {
    if (value) storage().setItem(PREFIX + name, value);
    else storage().removeItem(PREFIX + name);
  } catch {
    // See above.
  }
}

const forGood = () => localStorage;
const ofTab = () => sessionStorage;

/** '' if there is none. */
export const kept = (name: string): string => recall(forGood, name);
/** '' removes it. */
export const keep = (name: string, value: string): void => remember(forGood, name, value);

/** `none` if there is nothing, or nothing that can be read. */
export function keptInTab<T>(name: string, none: T): T {
  try {
    return (JSON.parse(recall(ofTab, name)) as T) ?? none;
  } catch {
    return none;
  }
}

export const keepInTab = (name: string, value: unknown): void =>
  remember(ofTab, name, JSON.stringify(value));
