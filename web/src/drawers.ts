// On a narrow screen the rooms and the people are drawers: one at a time, above the rest of the
// page, which can't be reached meanwhile.

import { byId } from './dom';

const PANELS = { rooms: 'side', people: 'here' } as const;
type Name = keyof typeof PANELS;

let open: Name | null = null;

const panel = (name: Name): HTMLElement => byId(PANELS[name]);
const toggle = (name: Name): HTMLElement => byId(`${name}-toggle`);

/** False if none was open. */
export function closeDrawer(focus = true): boolean {
  if (!open) return false;
  const name = open;
  open = null;
  panel(name).classList.remove('open');
  toggle(name).ariaExpanded = 'false';
  document.body.classList.remove('drawn');
  byId('main').inert = byId('side').inert = false;
  if (focus) toggle(name).focus();
  return true;
}

function openDrawer(name: Name): void {
  closeDrawer(false);
  open = name;
  panel(name).classList.add('open');
  toggle(name).ariaExpanded = 'true';
  document.body.classList.add('drawn');
  byId('main').inert = true;
  byId('side').inert = name === 'people';
  const inside = panel(name).querySelector<HTMLElement>('[aria-current], .close, button');
  (panel(name).querySelector<HTMLElement>('.close') ?? inside)?.focus();
}

export function prepareDrawers(): void {
  for (const name of Object.keys(PANELS) as Name[]) {
    toggle(name).addEventListener('click', () => openDrawer(name));
    panel(name).querySelector('.close')?.addEventListener('click', () => closeDrawer());
  }
  byId('shade').addEventListener('click', () => closeDrawer());
  // Where there is room for them they are no drawers.
  for (const query of ['(min-width: 44rem)', '(min-width: 66rem)']) {
    matchMedia(query).addEventListener('change', () => closeDrawer(false));
  }
}
