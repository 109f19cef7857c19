// The message box. Enter sends; every line is a message of its own (a paste may bring several);
// what cannot be sent is said before it is sent, and unsent text is never lost.

import { byId, setText } from './dom';
import { byteLength, lines, plural } from './text';

const LINES_AT_ONCE = 20;

export class Composer {
  limit = 8192; // bytes; hello says the server's
  private connected = false;
  private readonly input = byId<HTMLTextAreaElement>('text');
  private readonly button = byId<HTMLButtonElement>('send');
  private readonly hint = byId('hint');
  private unconfirmed: string[] = [];

  /** `say` sends one message; false means that it could not. */
  constructor(private readonly say: (text: string) => boolean) {
    this.input.addEventListener('input', () => this.update());
    this.input.addEventListener('keydown', (event) => this.key(event));
    byId<HTMLFormElement>('composer').addEventListener('submit', (event) => {
      event.preventDefault();
      this.send();
    });
    this.update();
  }

  focus(): void {
    this.input.focus();
  }

  setName(name: string): void {
    this.input.placeholder = `Message as ${name}`;
  }

  setConnected(connected: boolean): void {
    if (this.connected && !connected) this.restore(this.unconfirmed);
    this.connected = connected;
    this.unconfirmed = [];
    this.update();
  }

  /** One of our messages came back: the oldest, for the server keeps their order. */
  confirm(): void {
    this.unconfirmed.shift();
  }

  /** The server refused something; if that was a message, it is the oldest one out. */
  refused(): void {
    this.restore(this.unconfirmed.splice(0, 1));
  }

  /** Messages went missing on their way to us; ours may be among them. */
  forget(): void {
    this.unconfirmed = [];
  }

  private restore(texts: string[]): void {
    if (texts.length === 0 || this.input.value.trim() !== '') return;
    this.input.value = texts.join('\n');
    this.update();
  }

  private key(event: KeyboardEvent): void {
    // 229: an input method is composing (Safari says so after isComposing has ended).
    if (event.key !== 'Enter' || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    if (!event.shiftKey) this.send();
  }

  private send(): void {
    const messages = lines(this.input.value);
    if (messages.length === 0 || this.problem(messages)) return this.update();
    const unsent = [...messages];
    while (unsent.length > 0 && this.say(unsent[0]!)) this.unconfirmed.push(unsent.shift()!);
    this.input.value = unsent.join('\n');
    this.update();
  }

  private problem(messages: string[]): string {
    if (messages.length > LINES_AT_ONCE) {
      return `${messages.length} lines: at most ${LINES_AT_ONCE} can be sent at once.`;
    }
    const longest = Math.max(0, ...messages.map(byteLength));
    if (longest > this.limit) {
      const over = plural(longest - this.limit, 'byte', 'bytes');
      return `Too long by ${over}: a message may have ${this.limit.toLocaleString('en')}.`;
    }
    return '';
  }

  private advice(messages: string[]): string {
    const count = messages.length;
    if (count > 1) return `${count} lines: sent as ${count} messages.`;
    const left = this.limit - byteLength(messages[0] ?? '');
    if (left <= this.limit / 5) return `${plural(left, 'byte', 'bytes')} left.`;
    if (count > 0 && !this.connected) return 'Kept here until the connection is back.';
    return '';
  }

  private update(): void {
    const messages = lines(this.input.value);
    const problem = this.problem(messages);
    this.input.ariaInvalid = problem ? 'true' : 'false';
    this.hint.classList.toggle('problem', problem !== '');
    setText(this.hint, problem || this.advice(messages));
    // Not `disabled`: the button keeps its place in the tab order and its focus.
    this.button.ariaDisabled = String(problem !== '' || messages.length === 0 || !this.connected);
    this.input.style.height = 'auto';
    this.input.style.height = `${this.input.scrollHeight}px`;
  }
}
