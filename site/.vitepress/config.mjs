import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitepress'

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
const inSite = (path) => fileURLToPath(new URL(`../node_modules/${path}`, import.meta.url))
const page = (text, link) => ({ text, link })

/** The pages are docs/*.md, as they are read in the repository, and docs/api, which typedoc makes. */
export default defineConfig({
  title: 'wuerstchen',
  description: 'Würstchen text-to-image inside Node.js',
  lang: 'en',
  srcDir: '../docs',
  outDir: './dist',
  cacheDir: './.cache',
  // The pages lie outside of this folder, and so would not find its packages.
  vite: {
    resolve: {
      alias: [
        { find: /^vue$/, replacement: inSite('vue/dist/vue.runtime.esm-bundler.js') },
        { find: /^vue\/server-renderer$/, replacement: inSite('vue/server-renderer/index.mjs') },
      ],
    },
  },
  cleanUrls: true,
  lastUpdated: false,
  // Links to files of the repository that are no pages are checked by test/docs/links.test.ts.
  ignoreDeadLinks: [/\/\.\.\//, /^\.\.?\//, /examples/, /CONTRIBUTING/, /CHANGELOG/, /README/],
  themeConfig: {
    nav: [page('Guide', '/install'), page('API', '/api/'), page(`v${version}`, '/architecture')],
    outline: 'deep',
    search: { provider: 'local' },
    sidebar: [
      {
        text: 'Guide',
        items: [
          page('Install', '/install'),
          page('Models', '/models'),
          page('Prompts', '/prompts'),
          page('Sizes and quality', '/sizes'),
          page('Command line', '/cli'),
          page('Many requests', '/serving'),
          page('HTTP server', '/server'),
          page('Queue', '/queue'),
          page('Memory and offload', '/memory'),
          page('Devices', '/devices'),
          page('LoRA', '/lora'),
          page('Determinism', '/determinism'),
          page('Errors', '/errors'),
        ],
      },
      {
        text: 'Reference',
        items: [
          page('API', '/api/'),
          page('Alternatives', '/alternatives'),
          page('Benchmarks', '/benchmarks'),
          page('Fidelity', '/fidelity'),
          page('The bundled model', '/bundled-model'),
          page('Runtimes', '/runtime'),
          page('Platforms', '/platforms'),
          page('Tried and dropped', '/tried'),
          page('Architecture', '/architecture'),
        ],
      },
    ],
  },
})
