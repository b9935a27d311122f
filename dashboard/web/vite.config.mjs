import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { defineConfig } from 'vite';

const out = 'dist';

/** Takes the page of the last build away, and leaves the committed placeholder. */
const sweep = {
  name: 'sweep',
  buildStart() {
    rmSync(join(out, 'assets'), { recursive: true, force: true });
    for (const name of readdirSync(out)) if (name !== 'placeholder.html') rmSync(join(out, name), { recursive: true });
  },
};

/** Writes each file compressed beside it, so that the server need not do it for each request. */
const compress = {
  name: 'compress',
  closeBundle() {
    for (const entry of readdirSync(out, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !/\.(js|css|html|svg)$/.test(entry.name) || entry.name === 'placeholder.html') continue;
      const path = join(entry.parentPath, entry.name);
      const text = readFileSync(path);
      writeFileSync(path + '.gz', gzipSync(text, { level: 9 }));
      writeFileSync(path + '.br', brotliCompressSync(text, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }));
    }
  },
};

export default defineConfig({
  base: '/',
  plugins: [sweep, compress],
  build: {
    outDir: out,
    emptyOutDir: false,
    target: 'es2022',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0, // the content policy allows no data: URL
    cssCodeSplit: false,
  },
  server: { proxy: { '/api': process.env.CLAUDE_ANALYTICS_URL ?? 'http://127.0.0.1:8080' } },
});
