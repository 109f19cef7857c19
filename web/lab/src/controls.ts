// What can be turned: the dials, where a setting has several values, and the legend, whose buttons
// show and hide lines.

import { make } from '../../src/dom';
import { count } from './format';
import { swatch } from './looks';
import type { Dial, Line } from './selection';

export function select(
  label: string,
  values: Dial['values'],
  chosen: string,
  changed: (value: string) => void,
): HTMLElement {
  const element = make('select', '');
  for (const { value, label } of values) {
    const option = make('option', '', label);
    option.value = value;
    option.selected = value === chosen;
    element.append(option);
  }
  element.addEventListener('change', () => changed(element.value));
  return make('label', 'dial', make('span', '', label), element);
}

export function dialsPart(dials: Dial[], changed: () => void): HTMLElement | null {
  const parts = dials
    .filter(({ values }) => values.length > 1)
    .map((dial) =>
      select(dial.name, dial.values, dial.chosen, (value) => {
        dial.chosen = value;
        changed();
      }),
    );
  return parts.length ? make('div', 'dials', ...parts) : null;
}

export class Legend {
  readonly element = make('div', 'legend');
  private readonly said = make('span', 'note');

  constructor(
    private readonly lines: Line[],
    private readonly changed: () => void,
    private readonly highlight: (key: string | null) => void,
  ) {
    const buttons = lines.map((line) => this.button(line));
    const list = make('div', 'lines', ...buttons);
    list.role = 'group';
    list.ariaLabel = 'Lines';
    this.element.append(list);
    if (lines.length > 2) {
      const buttons = [this.all('Show all', true), this.all('None', false)];
      this.element.append(make('div', 'many', this.said, ...buttons));
    }
    this.count();
  }

  private button(line: Line): HTMLElement {
    const button = make('button', 'line', swatch(line), make('span', '', line.label));
    button.type = 'button';
    button.ariaPressed = String(line.shown);
    button.title = `${line.model} · ${line.architecture}`;
    button.addEventListener('click', () => {
      line.shown = !line.shown;
      this.update();
    });
    const on = () => this.highlight(line.shown ? line.key : null);
    button.addEventListener('pointerenter', on);
    button.addEventListener('focus', on);
    for (const event of ['pointerleave', 'blur'])
      button.addEventListener(event, () => this.highlight(null));
    return button;
  }

  private all(label: string, shown: boolean): HTMLElement {
    const button = make('button', 'quiet', label);
    button.type = 'button';
    button.addEventListener('click', () => {
      for (const line of this.lines) line.shown = shown;
      this.update();
    });
    return button;
  }

  private update(): void {
    this.element.querySelectorAll('.line').forEach((button, i) => {
      button.ariaPressed = String(this.lines[i]!.shown);
    });
    this.count();
    this.changed();
  }

  private count(): void {
    const shown = this.lines.filter((line) => line.shown).length;
    this.said.textContent = `${count(shown)} of ${count(this.lines.length)} lines shown`;
  }
}
