// What can be done with a person and with a room; operators can do more.

import { confirmThen, onSubmit, openDialog, openMenu, type Choice } from './dialogs';
import { byId, setText } from './dom';
import type { Deed, Person } from './protocol';
import type { Room } from './room';
import type { Session } from './session';
import { clean } from './text';
import { addToast } from './toasts';

const field = (id: string): HTMLInputElement => byId<HTMLInputElement>(id);

export class Admin {
  constructor(
    private readonly session: Session,
    private readonly mention: (name: string) => void,
  ) {
    byId('room-open').addEventListener('click', () => this.openRoom());
    byId('part').addEventListener('click', () => this.part());
    onSubmit('topic-form', () => this.setTopic());
    onSubmit('deed-form', () => this.invite());
    for (const mode of ['private', 'readonly'] as const) {
      field(`room-${mode}`).addEventListener('change', () => this.setMode(mode));
    }
  }

  private get room(): Room | null {
    return this.session.shown;
  }

  /** Whether we may do what operators do here. */
  operates(room: Room | null): boolean {
    return room !== null && !room.direct && (this.session.me.admin === true || room.operated);
  }

  openPerson(person: Person): void {
    const { name, id, role = 'member' } = person;
    if (id === this.session.me.id) return byId('settings-open').click();
    const choices: Choice[] = [
      { label: 'Direct message', act: () => this.session.open('direct', name) },
      { label: 'Mention', act: () => this.mention(name) },
    ];
    if (this.operates(this.room)) choices.push(...this.deeds(name, role));
    openMenu(name, role === 'member' ? '' : `${role} here`, choices);
  }

  private deeds(name: string, role: string): Choice[] {
    const { room } = this;
    const sure = (deed: Deed, label: string, note: string): Choice => ({
      label: `${label}…`,
      danger: true,
      act: () => confirmThen(`${label} ${name}?`, note, label, () => this.deed(deed, name)),
    });
    const plain = (deed: Deed, label: string): Choice => ({
      label,
      act: () => this.deed(deed, name),
    });
    const founder = room?.info.role === 'founder' || this.session.me.admin;
    const rank = role === 'operator' ? plain('deop', 'Make a member again') : null;
    const other = rank ?? (role === 'member' ? plain('op', 'Make an operator') : null);
    return [
      ...(founder && other ? [other] : []),
      plain('mute', 'Mute'),
      plain('unmute', 'Let them write again'),
      sure('kick', 'Kick', 'They are taken out of the room, and may come back.'),
      sure('ban', 'Ban', 'They are taken out of the room, and can’t come back.'),
    ];
  }

  private deed(type: Deed, name: string): void {
    if (this.room) this.session.send({ type, room: this.room.info.room, name });
  }

  openRoom(): void {
    const { room } = this;
    if (!room) return;
    this.shown();
    field('topic-text').value = room.info.topic;
    openDialog('room');
  }

  /** The room may have changed while its dialog is open. */
  shown(): void {
    const { room } = this;
    if (!room) return byId<HTMLDialogElement>('room').close();
    const { name, topic, private: closed = false, readonly: quiet = false, role } = room.info;
    const operates = this.operates(room);
    setText(byId('room-title'), name);
    setText(byId('room-topic'), topic);
    byId('room-topic').hidden = operates || topic === '';
    byId('topic-form').hidden = byId('modes').hidden = !operates;
    byId('deed-form').hidden = room.direct || !(operates || closed);
    for (const option of byId('deed').children) {
      (option as HTMLOptionElement).hidden = !operates && option.id !== 'deed-invite';
    }
    field('room-private').checked = closed;
    field('room-readonly').checked = quiet;
    const flags = [
      role !== 'member' && `You are ${role} here.`,
      closed && 'Private: by invitation.',
      quiet && 'Only operators write.',
    ];
    setText(byId('room-flags'), flags.filter(Boolean).join(' '));
    setText(byId('part'), room.direct ? 'Close the conversation' : 'Leave the room');
  }

  private setTopic(): void {
    const text = clean(field('topic-text').value);
    if (this.room) this.session.send({ type: 'topic', room: this.room.info.room, text });
    byId<HTMLDialogElement>('room').close();
  }

  private setMode(mode: 'private' | 'readonly'): void {
    const value = field(`room-${mode}`).checked;
    if (this.room) this.session.send({ type: 'mode', room: this.room.info.room, [mode]: value });
  }

  private invite(): void {
    const name = clean(field('deed-name').value);
    const deed = byId<HTMLSelectElement>('deed').value as Deed;
    if (!name) return;
    field('deed-name').value = '';
    this.deed(deed, name);
    byId<HTMLDialogElement>('room').close();
    if (deed === 'invite') addToast({ text: `${name} is invited.`, kind: 'notice' });
  }

  private part(): void {
    const { room } = this;
    byId<HTMLDialogElement>('room').close();
    if (!room) return;
    const act = () => this.session.send({ type: 'part', room: room.info.room });
    if (!room.info.private || room.direct) return void act();
    const note = 'It is private: you can come back only if you are invited.';
    confirmThen(`Leave ${room.info.name}?`, note, 'Leave', act);
  }
}
