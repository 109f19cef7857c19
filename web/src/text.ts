// Text as it is sent and shown.

const encoder = new TextEncoder();

/** Bytes of UTF-8, which is what the server's limit counts. */
export function byteLength(text: string): number {
  return encoder.encode(text).length;
}

/** One line as the server takes it: no control characters, no half surrogates, trimmed. */
export function clean(line: string): string {
  return line
    .replace(/\t/g, ' ')
    .replace(/\p{Cc}/gu, '')
    .replace(/\p{Cs}/gu, '\ufffd')
    .trim();
}

/** The messages a text stands for: its lines, cleaned, empty ones left out. */
export function lines(text: string): string[] {
  return text
    .split(/[\r\n\u2028\u2029]+/)
    .map(clean)
    .filter((line) => line !== '');
}

export const COLOURS = 12;

/** The class that colours a name: the same name has the same colour everywhere (FNV-1a). */
export function colour(name: string): string {
  let hash = 0x811c9dc5;
  for (const byte of encoder.encode(name)) hash = Math.imul(hash ^ byte, 0x01000193);
  return `c${((hash ^ (hash >>> 15)) >>> 0) % COLOURS}`;
}

/** A client without a nickname is called "('host', port)". */
export function isAddress(name: string): boolean {
  return /^\('.*', \d+\)$/.test(name);
}

/** One character for the round badge: the first letter, or # for an address. */
export function initial(name: string): string {
  return isAddress(name) ? '#' : [...name][0]?.toUpperCase() || '#';
}

export function plural(count: number, one: string, many: string): string {
  return `${count.toLocaleString('en')} ${count === 1 ? one : many}`;
}

/** Where the name stands in the text as a word of its own, in any case; -1 if it does not. */
export function mentionAt(text: string, name: string, from = 0): number {
  if (name === '' || isAddress(name)) return -1;
  const [low, wanted] = [text.toLowerCase(), name.toLowerCase()];
  if (low.length !== text.length) return -1; // lower case is longer in a few languages
  for (let at = low.indexOf(wanted, from); at >= 0; at = low.indexOf(wanted, at + 1)) {
    const beside = /[\p{L}\p{N}_]/u;
    const before = [...low.slice(Math.max(0, at - 2), at)].at(-1) ?? '';
    const after = [...low.slice(at + wanted.length, at + wanted.length + 2)][0] ?? '';
    if (!beside.test(before) && !beside.test(after)) return at;
  }
  return -1;
}

/** A reply begins with the number of the entry that it quotes: ">7 text". */
export function quoteOf(text: string): { quoted: number; rest: string } {
  const [, number, rest] = /^>(\d{1,15}) +(\S.*)$/u.exec(text) ?? [];
  return rest === undefined ? { quoted: 0, rest: text } : { quoted: Number(number), rest };
}

/** Characters of base64url at random: 24 of them, 144 bits. */
export function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(18));
  return btoa(String.fromCharCode(...bytes)).replace(/\+/g, '-').replace(/\//g, '_');
}
