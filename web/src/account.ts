// The account or the guest that we are: logging in and out, nickname, password,
// notifications.

import { post } from './api';
import { onSubmit, openDialog } from './dialogs';
import { byId, setText } from './dom';
import { keepInTab } from './memory';
import { mayNotify, notifying, setNotifying } from './notify';
import type { Session } from './session';
import { clean, colour, initial } from './text';
import { addToast, clearToasts } from './toasts';

const field = (id: string): HTMLInputElement => byId<HTMLInputElement>(id);

function problem(id: string, text: string): void {
  setText(byId(id), text);
  byId(id).hidden = text === '';
}

// Another person: nothing of the one before may stay.
function anew(): void {
  keepInTab('rooms', []);
  location.reload();
}

export class Account {
  private registering = false;

  constructor(private readonly session: Session) {
    byId('login-open').addEventListener('click', () => this.openLogin());
    byId('settings-open').addEventListener('click', () => this.openSettings());
    byId('login-other').addEventListener('click', () => this.register(!this.registering));
    byId('logout').addEventListener('click', () => void this.logout(false));
    byId('logout-all').addEventListener('click', () => void this.logout(true));
    byId('notify').addEventListener('click', () => void this.toggleNotify());
    onSubmit('nick-form', () => this.rename());
    onSubmit('login-form', () => void this.login());
    onSubmit('password-form', () => void this.changePassword());
    field('nick').value = session.nick.wanted;
  }

  /** After hello, or when our name has changed. */
  shown(): void {
    const { me, nick } = this.session;
    if (nick.wanted === me.name) clearToasts('nick');
    setText(byId('me'), me.name);
    const role = me.admin ? 'administrator' : me.account ? 'account' : 'guest';
    setText(byId('me-role'), role);
    byId('me-badge').className = `badge ${colour(me.name)}`;
    setText(byId('me-badge'), initial(me.name));
    byId('login-open').hidden = me.account === true;
    byId('nick-form').hidden = me.account === true;
    byId('account-part').hidden = me.account !== true;
    setText(byId('settings-me'), me.account ? `Logged in as ${me.name}` : `You are ${me.name}`);
    field('password-user').value = me.name; // for the browser's keeper of passwords
    byId('login-other').hidden = me.register === false;
    const shut = me.guests === false && !me.account;
    if (shut && !byId<HTMLDialogElement>('login').open) this.openLogin();
  }

  private rename(): void {
    const nick = clean(field('nick').value);
    field('nick').value = nick;
    clearToasts('nick');
    this.session.nick.want(nick);
    byId<HTMLDialogElement>('settings').close();
    byId('text').focus();
  }

  private openLogin(): void {
    problem('login-problem', '');
    this.register(false);
    openDialog('login');
    field('login-name').focus();
  }

  private register(on: boolean): void {
    this.registering = on;
    const verb = on ? 'Register' : 'Log in';
    setText(byId('login-title'), verb);
    setText(byId('login-go'), verb);
    setText(byId('login-other'), on ? 'I have an account' : 'Make an account');
    field('login-password').autocomplete = on ? 'new-password' : 'current-password';
    problem('login-problem', '');
  }

  private async login(): Promise<void> {
    const name = clean(field('login-name').value);
    const password = field('login-password').value;
    const go = byId<HTMLButtonElement>('login-go');
    if (go.ariaDisabled === 'true') return;
    go.ariaDisabled = 'true';
    const path = this.registering ? 'api/register' : 'api/login';
    const wrong = await post(path, { name, password });
    go.ariaDisabled = 'false';
    if (wrong) return problem('login-problem', wrong);
    anew();
  }

  private openSettings(): void {
    problem('password-problem', '');
    this.showNotify();
    openDialog('settings');
  }

  private async changePassword(): Promise<void> {
    const [old, fresh] = [field('password-old'), field('password-new')];
    const wrong = await post('api/password', { old: old.value, new: fresh.value });
    if (wrong) return problem('password-problem', wrong);
    problem('password-problem', '');
    old.value = fresh.value = '';
    byId<HTMLDialogElement>('settings').close();
    addToast({ text: 'Your password is changed.', kind: 'notice' });
  }

  private async logout(everywhere: boolean): Promise<void> {
    const wrong = await post('api/logout', everywhere ? { everywhere } : {});
    if (wrong) return addToast({ text: wrong });
    anew();
  }

  private async toggleNotify(): Promise<void> {
    await setNotifying(!notifying());
    this.showNotify();
  }

  private showNotify(): void {
    const may = mayNotify();
    const button = byId<HTMLButtonElement>('notify');
    button.ariaPressed = String(notifying());
    setText(button, notifying() ? 'Notifications are on' : 'Turn notifications on');
    button.disabled = may === 'never';
    setText(byId('notify-note'), NOTES[may]);
  }
}

const NOTES = {
  never: 'The browser offers them over HTTPS or on this computer only.',
  denied: 'The browser refuses them for this page: allow them in its settings.',
  default: 'For mentions and direct messages, while you look elsewhere.',
  granted: 'For mentions and direct messages, while you look elsewhere.',
};
