// The lab's live page: it talks to the server that it comes from, and loads nothing else
// (its icon is in it).
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

import { oneFile } from '../one_file.js';

const root = fileURLToPath(new URL('.', import.meta.url));
export default defineConfig(oneFile(root, ["connect-src 'self'", 'img-src data:']));
