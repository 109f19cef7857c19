// Fails unless web/dist, web/lab/dist and web/live/dist are, byte for byte, what the sources
// build to.
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const web = fileURLToPath(new URL('.', import.meta.url));
const PAGES = [web, join(web, 'lab'), join(web, 'live')];

function files(folder, root = folder) {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? files(path, root) : [relative(root, path)];
  });
}

function read(folder, name) {
  try {
    return readFileSync(join(folder, name));
  } catch (error) {
    if (error.code === 'ENOENT') return null;
    throw error;
  }
}

function difference(committed, fresh, name) {
  const [was, now] = [read(committed, name), read(fresh, name)];
  const path = relative(web, join(committed, name));
  if (!was) return `${path} is missing`;
  if (!now) return `${path} is no longer built`;
  if (was.equals(now)) return null;
  return `${path} differs (${was.length} bytes, builds to ${now.length})`;
}

/** Builds the page in `root` elsewhere and compares; gives how many files it has. */
async function check(root) {
  const committed = join(root, 'dist');
  const fresh = mkdtempSync(join(tmpdir(), 'polyio-page-'));
  try {
    const configFile = join(root, 'vite.config.js');
    const output = { outDir: fresh, emptyOutDir: true };
    await build({ root, configFile, logLevel: 'warn', build: output });
    const built = existsSync(committed) ? files(committed) : [];
    const names = [...new Set([...files(fresh), ...built])].sort();
    const differences = names.map((name) => difference(committed, fresh, name)).filter(Boolean);
    return { names, differences };
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

const checked = [];
for (const root of PAGES) checked.push(await check(root));
const differences = checked.flatMap((one) => one.differences);
if (differences.length) {
  console.error('These are not what web/ builds to:\n  ' + differences.join('\n  '));
  console.error('Run `npm install && npm run build` in web/ and commit what it built.');
  process.exitCode = 1;
} else {
  const names = checked.flatMap((one) => one.names);
  console.log(`web/dist, web/lab/dist and web/live/dist are up to date (${names.length} files).`);
}
