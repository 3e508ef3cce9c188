/** @file Builds the page into build/page: one script and one style, which the server hands out and a report holds inside. */
import { defineConfig } from 'vite';

// biome-ignore lint/style/noDefaultExport: Vite reads the configuration from there
export default defineConfig({
  root: import.meta.dirname,
  base: './',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: '../build/page',
    emptyOutDir: true,
    modulePreload: false,
    rolldownOptions: {
      output: {
        entryFileNames: 'page.js',
        chunkFileNames: '[name].js',
        assetFileNames: '[name][extname]',
        codeSplitting: false,
      },
    },
  },
});
