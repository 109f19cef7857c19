// axe-core finds nothing serious on the page: wide, on a phone, light, dark, and in every dialog.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  accessible,
  axe,
  join,
  lineClient,
  openMessage,
  options,
  press,
  register,
  say,
  serve,
  setNick,
  shows,
  SIZES,
  until,
  visit,
} from './harness.mjs';

const DIALOGS = ['search', 'browse', 'settings', 'help', 'room'];

for (const view of ['desktop light', 'desktop dark', 'phone light', 'phone dark', 'narrow light']) {
  const [size, scheme] = view.split(' ');
  test(`accessible and without side-scrolling: ${view}`, options, async (t) => {
    const server = await serve(t);
    const nc = await lineClient(t, server);
    const page = await visit(t, server, { size, scheme });
    const checked = async (what) => {
      await accessible(page, what);
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.equal(width, SIZES[size].viewport.width, `no side-scrolling: ${what}`);
    };
    // As many names as there are colours, something wide, and all that a text can be.
    for (let i = 0; i < (size === 'desktop' ? 12 : 1); i++) {
      await setNick(page, `name ${'abcdefghijklmnopqrst'[i]}`);
      await say(page, `message ${i} \`code\` https://example.com/ name b`);
    }
    nc.send(`${'wide'.repeat(100)} name a\n`);
    await shows(page, nc.name, `${'wide'.repeat(100)} name a`);
    nc.send('```' + 'block'.repeat(50) + '```\n');
    nc.send('>1 a reply\n');
    await shows(page, nc.name, 'a reply');
    await page.evaluate(axe.source);
    await checked('the lobby');
    await openMessage(page, 'a reply');
    await checked('the menu of a message');
    await page.keyboard.press('Escape');

    await page.evaluate(() => {
      document.getElementById('banner-text').textContent = 'Connection lost.';
      document.getElementById('countdown').textContent = 'Reconnecting in 14 s';
      document.getElementById('newer').textContent = '2 new messages';
      for (const id of ['banner', 'newer']) document.getElementById(id).hidden = false;
    });
    await say(page, '/me is back');
    await page.fill('#text', 'x'.repeat(page.hello.limit + 1));
    await checked('the lobby in trouble');

    await press(page, '#login-open');
    await checked('the login');
    await page.keyboard.press('Escape');
    await register(page, 'wide name '.repeat(3).trim());
    await page.evaluate(axe.source);
    await join(page, '#a-room-with-a-long-name');
    for (const dialog of DIALOGS) {
      await press(page, `#${dialog}-open`);
      await until(`${dialog} to open`, () => page.isVisible(`#${dialog}`));
      await checked(`the dialog ${dialog}`);
      await page.keyboard.press('Escape');
    }
    if (size === 'desktop') return;
    for (const drawer of ['rooms', 'people']) {
      await page.tap(`#${drawer}-toggle`);
      await checked(`the drawer of ${drawer}`);
      await page.keyboard.press('Escape');
    }
  });
}
