// Times as they are shown, in the reader's language.

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });
const day = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const short = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });

/** A time outside what Date can hold becomes now. */
export function date(time: number): Date {
  const at = new Date(time);
  return Number.isNaN(at.getTime()) ? new Date() : at;
}

export const dayOf = (at: Date): string => day.format(at);

export const isToday = (shown: string): boolean => shown === day.format(new Date());

/** A <time>; `long`: with the day. */
export function timeElement(time: number, long = false): HTMLTimeElement {
  const at = date(time);
  const element = document.createElement('time');
  element.textContent = (long ? short : clock).format(at);
  element.dateTime = at.toISOString();
  element.title = full.format(at);
  return element;
}
