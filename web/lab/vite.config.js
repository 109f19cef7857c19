// The lab's report. It shows the figure of a trace as an image.
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

import { oneFile } from '../one_file.js';

const here = fileURLToPath(new URL('.', import.meta.url));
export default defineConfig(oneFile(here, ['img-src data:']));
