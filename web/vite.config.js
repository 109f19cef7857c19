// Fixed file names, no dates, no paths: the same sources give the same bytes everywhere, because
// dist/ is committed and `npm run check` compares it byte for byte.
import { defineConfig } from 'vite';

const server = process.env.POLYIO_CHAT_URL ?? 'http://127.0.0.1:8080';

export default defineConfig({
  base: './',
  build: {
    target: ['chrome111', 'firefox119', 'safari16.4'],
    modulePreload: false,
    assetsInlineLimit: 0, // the Content-Security-Policy allows no data: addresses
    reportCompressedSize: false,
    rollupOptions: {
      output: { entryFileNames: 'assets/app.js', assetFileNames: 'assets/app[extname]' },
    },
  },
  // `npm run dev` talks to a running server.
  server: { proxy: { '/ws': { target: server, ws: true }, '/api': { target: server } } },
});
