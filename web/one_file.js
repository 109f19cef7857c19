// Builds a page of the lab into one HTML file with its script and style inside, which loads
// nothing. What may run is named by hash in the Content-Security-Policy, so that no text of the
// results ever can. As for the chat page, the same sources give the same bytes everywhere.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

const licence = new URL('node_modules/uplot/LICENSE', import.meta.url);

const hash = (text) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

function policy(script, style, more) {
  const rules = [
    "default-src 'none'",
    `script-src ${hash(script)}`,
    `style-src ${hash(style)}`,
    ...more,
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ];
  return `<meta http-equiv="Content-Security-Policy" content="${rules.join('; ')}" />`;
}

function once(text, pattern, replacement) {
  if (!pattern.test(text)) throw new Error(`index.html has no ${pattern}`);
  return text.replace(pattern, () => replacement);
}

const plugin = (more) => ({
  name: 'one-file',
  enforce: 'post',
  generateBundle(_, bundle) {
    const take = (type) => {
      const [name, item] = Object.entries(bundle).find(([name]) => name.endsWith(type));
      delete bundle[name];
      return (item.code ?? item.source).trim();
    };
    const script = take('.js');
    const style = take('.css');
    if (/<\/script|<!--/i.test(script)) throw new Error('the script would end its own element');
    let page = bundle['index.html'].source;
    page = once(page, /\n *<script type="module"[^>]*><\/script>/, '');
    page = once(page, / *<link rel="stylesheet"[^>]*>/, `    <style>${style}</style>`);
    page = once(page, /(?<=<meta charset="utf-8" \/>)/, `\n    ${policy(script, style, more)}`);
    page = once(page, /(?=\n *<\/body>)/, `\n    <script type="module">${script}</script>`);
    const words = readFileSync(licence, 'utf8').trim();
    page = once(page, /(?<=<!doctype html>)/i, `\n<!--\nuPlot, in this file:\n\n${words}\n-->`);
    bundle['index.html'].source = page;
  },
});

/** The configuration of the page in `root`; `more`: further rules of its policy. */
export const oneFile = (root, more = []) => ({
  root,
  base: './',
  plugins: [plugin(more)],
  build: {
    target: ['chrome111', 'firefox119', 'safari16.4'],
    modulePreload: false,
    cssCodeSplit: false,
    reportCompressedSize: false,
  },
});
