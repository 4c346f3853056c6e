const { readdirSync } = require('node:fs')
const { join } = require('node:path')

// Every folder of test/ is a project of the same name, except what tests share.
const SHARED = ['fixtures', 'goldens', 'support']

const projects = readdirSync(join(__dirname, 'test'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && !SHARED.includes(entry.name))
  .map((entry) => entry.name)

/** @type {import('jest').Config} */
module.exports = {
  // A busy machine may be ten times slower; a test that hangs is found all the same.
  testTimeout: 60_000,
  projects: projects.map((name) => ({
    displayName: name,
    rootDir: __dirname,
    roots: [`<rootDir>/test/${name}`],
    testEnvironment: 'node',
    testMatch: ['**/*.test.ts'],
    setupFilesAfterEnv: ['<rootDir>/test/support/equality.ts'],
    // TypeScript wants `await import('./file.js')` for file.ts.
    moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
    // swc only strips types; `npm run lint` is what checks them.
    transform: {
      '^.+\\.ts$': [
        '@swc/jest',
        { jsc: { parser: { syntax: 'typescript' }, target: 'es2022' }, module: { type: 'commonjs' } },
      ],
    },
  })),
}
