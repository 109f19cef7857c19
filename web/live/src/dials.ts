// The dials: rows of buttons where there are few choices with short names, selects for the rest.
// What can't be taken now is greyed out, can be reached all the same, and says why.

import { byId, make, setText } from '../../src/dom';
import { bytes, count } from '../../lab/src/format';
import type { Dial, Value } from './protocol';

interface Look {
  label: string;
  buttons: boolean;
  show?: (value: Value) => string;
}

const number = (value: Value) => count(Number(value));

const LOOKS: Record<string, Look> = {
  model: { label: 'I/O model', buttons: true },
  architecture: { label: 'Architecture', buttons: true },
  policy: { label: 'Policy of the loops', buttons: true },
  handler: { label: 'Handler', buttons: true },
  connections: { label: 'Connections', buttons: true, show: number },
  active: {
    label: 'Of them talk',
    buttons: false,
    show: (value) => (value === 0 ? 'all' : `at most ${number(value)}`),
  },
  size: { label: 'Message', buttons: false, show: (value) => bytes(Number(value)) },
  depth: { label: 'Under way on each', buttons: false, show: number },
  rate: {
    label: 'Rate',
    buttons: false,
    show: (value) => (value === 0 ? 'closed loop' : `${number(value)}/s, open loop`),
  },
};

const STEPS: Record<string, number> = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

type Turn = (dial: string, value: Value) => void;

export class Dials {
  private shown = '';

  constructor(private readonly turn: Turn) {
    byId('dials').addEventListener('keydown', (event) => this.move(event));
  }

  /** Draws them anew if they have changed; the focus stays. */
  show(dials: Dial[], position: Record<string, Value>): void {
    const now = JSON.stringify([dials, position]);
    if (now === this.shown) return;
    this.shown = now;
    const focused = document.activeElement?.id ?? '';
    const selects: HTMLElement[] = [];
    const rows: HTMLElement[] = [];
    for (const dial of dials) {
      const chosen = position[dial.dial];
      const look = LOOKS[dial.dial];
      if (!look || chosen === undefined) continue;
      if (look.buttons) rows.push(this.row(dial, chosen, look));
      else selects.push(this.select(dial, chosen, look));
    }
    byId('dials').replaceChildren(...rows, make('div', 'selects', ...selects));
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
    setText(byId('why'), '');
  }

  private row({ dial, choices }: Dial, chosen: Value, { label, show = String }: Look): HTMLElement {
    const title = make('h3', '', label);
    title.id = `${dial}-label`;
    const buttons = choices.map(({ value, why_not, says }) => {
      const button = make('button', 'choice', show(value));
      button.type = 'button';
      button.id = `${dial}-${value}`;
      button.ariaPressed = String(value === chosen);
      button.title = why_not || says || '';
      if (why_not) {
        button.ariaDisabled = 'true';
        button.setAttribute('aria-description', why_not);
      }
      button.addEventListener('click', () => {
        if (why_not) setText(byId('why'), `Not now: ${why_not}.`);
        else if (value !== chosen) this.turn(dial, value);
      });
      return button;
    });
    const group = make('div', 'choices', ...buttons);
    group.role = 'group';
    group.setAttribute('aria-labelledby', title.id);
    return make('div', 'dial-row', title, group);
  }

  private select(
    { dial, choices }: Dial,
    chosen: Value,
    { label, show = String }: Look,
  ): HTMLElement {
    const element = make('select', '');
    element.id = `${dial}-select`;
    choices.forEach(({ value, why_not }, i) => {
      const option = make('option', '', show(value));
      option.value = String(i);
      option.selected = value === chosen;
      option.disabled = why_not !== '';
      option.title = why_not;
      element.append(option);
    });
    element.addEventListener('change', () =>
      this.turn(dial, choices[Number(element.value)]!.value),
    );
    return make('label', 'dial', make('span', '', label), element);
  }

  /** The arrow keys go from button to button; the space bar takes one. */
  private move(event: KeyboardEvent): void {
    const by = STEPS[event.key];
    const from = event.target as HTMLElement;
    if (by === undefined || !from.classList.contains('choice')) return;
    event.preventDefault();
    const all = [...from.parentElement!.querySelectorAll<HTMLElement>('.choice')];
    all[(all.indexOf(from) + by + all.length) % all.length]!.focus();
  }
}
