// The message box. Enter sends; every line is a message of its own (a paste may bring several);
// what cannot be sent is said before it is sent. Every room has a draft, which the tab keeps.

import { byId, setText } from './dom';
import { excerpt } from './entry';
import type { Said } from './held';
import { keepInTab, keptInTab } from './memory';
import type { Room } from './room';
import { byteLength, lines, plural } from './text';

const LINES_AT_ONCE = 20;
const KEPT = 'drafts';

export interface ComposerEvents {
  say(room: Room, text: string, action: boolean): void;
  /** False if it could not be sent. */
  edit(room: Room, target: number, text: string): boolean;
  /** The newest message of ours that may be edited. */
  lastOwn(room: Room): Said | undefined;
  /** Why no more can wait to be sent; '' if it can. */
  full(room: Room): string;
}

export class Composer {
  limit = 8192; // bytes; hello says the server's
  private room: Room | null = null;
  private connected = false;
  private drafts = keptInTab<Record<number, string>>(KEPT, {});
  private reply: Said | null = null;
  private edited: Said | null = null;
  private lastEdit: { said: Said; text: string } | null = null;
  private readonly input = byId<HTMLTextAreaElement>('text');
  private readonly button = byId<HTMLButtonElement>('send');
  private readonly hint = byId('hint');

  constructor(private readonly events: ComposerEvents) {
    this.input.addEventListener('input', () => this.changed());
    this.input.addEventListener('keydown', (event) => this.key(event));
    byId('about-cancel').addEventListener('click', () => this.cancel());
    byId<HTMLFormElement>('composer').addEventListener('submit', (event) => {
      event.preventDefault();
      this.send();
    });
    this.update();
  }

  focus(): void {
    this.input.focus();
  }

  show(room: Room | null, name: string): void {
    if (room !== this.room) {
      if (this.edited) this.cancel();
      this.reply = null;
      this.room = room;
      this.input.value = (room && this.drafts[room.info.room]) ?? '';
    }
    const to = room?.direct ? `Message ${room.info.name}` : `Message as ${name}`;
    this.input.placeholder = room ? to : 'No room';
    this.update();
  }

  setConnected(connected: boolean): void {
    this.connected = connected;
    this.update();
  }

  /** The next message quotes this one. */
  replyTo(said: Said): void {
    if (this.edited) this.cancel();
    this.reply = said;
    this.update();
    this.focus();
  }

  edit(said: Said): void {
    this.reply = null;
    this.edited = said;
    this.input.value = said.text ?? '';
    this.update();
    this.focus();
  }

  /** The last edit was refused: its text is put back, if the box is empty. */
  editRefused(): void {
    if (!this.lastEdit || this.edited || this.input.value !== '') return;
    this.edit(this.lastEdit.said);
    this.input.value = this.lastEdit.text;
    this.update();
  }

  /** Puts text into the box, after what is in it. */
  add(text: string): void {
    const { value } = this.input;
    this.input.value = value && !value.endsWith(' ') ? `${value} ${text}` : value + text;
    this.changed();
    this.focus();
  }

  /** Ends a reply or an edit; false if there was none. */
  cancel(): boolean {
    if (!this.reply && !this.edited) return false;
    if (this.edited) this.input.value = (this.room && this.drafts[this.room.info.room]) ?? '';
    this.reply = this.edited = null;
    this.update();
    this.focus();
    return true;
  }

  private key(event: KeyboardEvent): void {
    // 229: an input method is composing (Safari says so after isComposing has ended).
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      this.send();
    } else if (event.key === 'ArrowUp' && this.input.value === '' && this.room && !event.altKey) {
      const said = this.events.lastOwn(this.room);
      if (!said) return;
      event.preventDefault();
      this.edit(said);
    }
  }

  private send(): void {
    const { room, edited } = this;
    const messages = lines(this.input.value);
    if (!room || messages.length === 0 || this.problem(messages)) return this.update();
    if (edited) {
      const text = messages[0]!;
      if (text !== edited.text && !this.events.edit(room, edited.seq, text)) return;
      this.lastEdit = { said: edited, text };
      this.cancel();
      return;
    }
    for (const text of messages) this.sayOne(room, text);
    this.input.value = '';
    this.changed();
  }

  private sayOne(room: Room, text: string): void {
    const action = /^\/me +(.+)$/u.exec(text)?.[1];
    const { reply } = this;
    this.reply = null;
    if (action !== undefined) this.events.say(room, action, true);
    else if (reply) this.events.say(room, quoting(reply) + text, false);
    else this.events.say(room, text, false);
  }

  private problem(messages: string[]): string {
    const { room, edited } = this;
    if (room?.info.readonly && room.info.role === 'member') return 'Only operators write here.';
    if (room?.info.muted) return 'You are muted here: you can read, but not write.';
    if (messages.length === 0) return '';
    if (edited && messages.length > 1) return 'A message is one line.';
    if (edited && !this.connected) return 'Not connected: it can be edited later.';
    if (messages.length > LINES_AT_ONCE) {
      return `${messages.length} lines: at most ${LINES_AT_ONCE} can be sent at once.`;
    }
    const quote = this.reply ? byteLength(quoting(this.reply)) : 0;
    const longest = quote + Math.max(0, ...messages.map(byteLength));
    if (longest > this.limit) {
      const over = plural(longest - this.limit, 'byte', 'bytes');
      return `Too long by ${over}: a message may have ${this.limit.toLocaleString('en')}.`;
    }
    return room ? this.events.full(room) : '';
  }

  private advice(messages: string[]): string {
    const count = messages.length;
    if (count > 1) return `${count} lines: sent as ${count} messages.`;
    const left = this.limit - byteLength(messages[0] ?? '');
    if (left <= this.limit / 5) return `${plural(left, 'byte', 'bytes')} left.`;
    if (count > 0 && !this.connected) return 'Sent when the connection is back.';
    return '';
  }

  private changed(): void {
    const { room, edited, drafts } = this;
    if (room && !edited) {
      drafts[room.info.room] = this.input.value;
      if (this.input.value === '') delete drafts[room.info.room];
      keepInTab(KEPT, drafts);
    }
    this.update();
  }

  private update(): void {
    const messages = lines(this.input.value);
    const problem = this.problem(messages);
    this.input.ariaInvalid = problem && messages.length > 0 ? 'true' : 'false';
    this.hint.classList.toggle('problem', problem !== '');
    setText(this.hint, problem || this.advice(messages));
    // Not `disabled`: the button keeps its place in the tab order and its focus.
    this.button.ariaDisabled = String(problem !== '' || messages.length === 0);
    this.about();
    this.input.style.height = 'auto';
    this.input.style.height = `${this.input.scrollHeight}px`;
  }

  private about(): void {
    const said = this.edited ?? this.reply;
    byId('about').hidden = !said;
    if (!said) return;
    const what = this.edited ? 'Editing your message' : `Reply to ${said.name}`;
    setText(byId('about-what'), what);
    setText(byId('about-text'), excerpt(said));
  }
}

/** A reply begins with the number of what it quotes and its author's name, readable as text. */
const quoting = ({ seq, name }: Said): string => `>${seq} ${name}: `;
