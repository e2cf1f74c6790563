import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// While working on the console: a gate whose public_url is this server's address.
const gate = process.env.SEKIMORI_GATE ?? 'http://127.0.0.1:8787';
const passed = ['/api', '/sign-in', '/sign-out', '/signed-out', '/setup', '/account', '/connections', '/assets'];

export default defineConfig({
  base: '/ui/',
  plugins: [react()],
  build: {
    target: 'es2022',
    // The folder holds a committed file; `build/finish.mjs` removes what is old.
    emptyOutDir: false,
    manifest: true,
    modulePreload: { polyfill: false },
    // No data: addresses, which the content policy forbids.
    assetsInlineLimit: 0,
  },
  server: {
    port: 5173,
    strictPort: true,
    proxy: Object.fromEntries(passed.map((path) => [path, { target: gate, changeOrigin: false }])),
  },
});
