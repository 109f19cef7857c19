// A guest's nickname, kept in the browser. After a lost connection the server may count the old
// one for a while, and with it the nickname: it is asked for until it is free again, or until
// another one is wanted.

import { keep, kept } from './memory';

const KEPT = 'nick';
const AGAIN_MS = 3000;
const TRIES = 40;

export class Nickname {
  wanted = kept(KEPT); // '' for none
  private timer = 0;

  constructor(private readonly ask: (nick: string) => void) {}

  want(nick: string): void {
    this.wanted = nick;
    keep(KEPT, nick);
    this.stop();
    this.ask(nick);
  }

  /** We have this name now. */
  is(name: string): void {
    if (name === this.wanted) this.stop();
  }

  reclaim(name: string): void {
    this.stop();
    if (!this.wanted || this.wanted === name) return;
    let tries = 0;
    const again = (): void => {
      this.ask(this.wanted);
      if (++tries === TRIES) return this.stop();
      this.timer = window.setTimeout(again, AGAIN_MS);
    };
    again();
  }

  stop(): void {
    clearTimeout(this.timer);
    this.timer = 0;
  }
}
