// Fails unless web/dist is, byte for byte, what the sources build to.
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const web = fileURLToPath(new URL('.', import.meta.url));
const committed = join(web, 'dist');
const fresh = mkdtempSync(join(tmpdir(), 'polyio-page-'));

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

function difference(name) {
  const [was, now] = [read(committed, name), read(fresh, name)];
  if (!was) return `dist/${name} is missing`;
  if (!now) return `dist/${name} is no longer built`;
  if (was.equals(now)) return null;
  return `dist/${name} differs (${was.length} bytes, builds to ${now.length})`;
}

try {
  await build({ root: web, logLevel: 'warn', build: { outDir: fresh, emptyOutDir: true } });
  const built = existsSync(committed) ? files(committed) : [];
  const names = [...new Set([...files(fresh), ...built])];
  const differences = names.sort().map(difference).filter(Boolean);
  if (differences.length) {
    console.error('web/dist is not what web/ builds to:\n  ' + differences.join('\n  '));
    console.error('Run `npm install && npm run build` in web/ and commit web/dist.');
    process.exitCode = 1;
  } else {
    console.log(`web/dist is up to date (${names.length} files).`);
  }
} finally {
  rmSync(fresh, { recursive: true, force: true });
}
