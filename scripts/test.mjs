/**
 * Every test of the project and one summary: `node scripts/test.mjs [--only SUITE,...] [arguments for jest or pytest]`.
 * The last line is `N passed, N failed, N skipped`. No tests at all is a failure, and so is a suite without any.
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import jestConfig from '../jest.config.js'
import { at, ROOT, VENV_PYTHON } from './tooling/places.mjs'

const PYTHON = 'python'
// The quickest first.
const SUITES = [...new Set(['unit', ...jestConfig.projects.map(({ displayName }) => displayName), PYTHON])]
// A native call is as slow as the machine; what must be quick says so in its own test.
const NATIVE_TIMEOUT_MS = 180_000
// How long jest may take to end after its last test: a handle left open would hang it for ever.
const EXIT_LIMIT_MS = 30_000

async function main() {
  const { suites, rest } = readArguments(process.argv.slice(2))
  const results = []
  for (const suite of suites)
    results.push(suite === PYTHON ? await runPytest(rest) : await runJest(suite, rest))
  report(results, { chosen: rest.length > 0 })
}

/** `--only` names suites; everything else is passed on, so it needs one kind of suite to go to. */
function readArguments(given) {
  const index = given.indexOf('--only')
  const suites = index < 0 ? SUITES : (given[index + 1] ?? '').split(',')
  const rest = index < 0 ? given : [...given.slice(0, index), ...given.slice(index + 2)]
  for (const name of suites) {
    if (!SUITES.includes(name))
      throw new Error(`Expected --only to name suites (${SUITES.join(', ')}) but received '${name}'`)
  }
  if (rest.length > 0 && suites.includes(PYTHON) && suites.length > 1) {
    throw new Error(
      `Expected --only with jest suites or with '${PYTHON}' when there are further arguments (${rest.join(' ')})`,
    )
  }
  return { suites, rest }
}

/** Results of either runner: counts, the skipped tests, and what went wrong beside failed tests. */
const nothing = () => ({ passed: 0, failed: 0, skipped: [], problems: [] })

/** One process for each suite: an addon that crashes takes no other suite's results along. */
async function runJest(suite, args) {
  // All but unit share the cores and the memory with the addon: one test file at a time.
  const native = suite === 'unit' ? [] : ['--runInBand', `--testTimeout=${NATIVE_TIMEOUT_MS}`]
  return withResultFile('jest.json', async (file) => {
    const jest = at('node_modules', 'jest', 'bin', 'jest.js')
    const options = [
      '--selectProjects',
      suite,
      '--passWithNoTests',
      '--json',
      `--outputFile=${file}`,
      ...native,
      ...args,
    ]
    const end = await spawned(process.execPath, ['--expose-gc', jest, ...options], file)
    const result = nothing()
    if (!existsSync(file)) {
      result.problems.push(`jest (${suite}) ${end.how} without results`)
      return result
    }
    const report = JSON.parse(readFileSync(file, 'utf8'))
    result.passed = report.numPassedTests
    result.failed = report.numFailedTests
    result.skipped = skippedInJest(report)
    for (const { name, message } of report.testResults.filter(cannotRun)) {
      result.problems.push(`${relative(ROOT, name)} could not run: ${firstLine(message)}`)
    }
    if (report.numTotalTests === 0) result.problems.push(`test/${suite} holds no tests`)
    if (end.killed) {
      result.problems.push(`jest (${suite}) did not end after its last test: something was left open`)
    } else if (end.failed && result.failed + result.problems.length === 0) {
      result.problems.push(`jest (${suite}) ${end.how}`)
    }
    return result
  })
}

const cannotRun = ({ status, assertionResults }) =>
  status === 'failed' && assertionResults.every((one) => one.status !== 'failed')

const skippedInJest = (report) =>
  report.testResults.flatMap(({ name, assertionResults }) =>
    assertionResults
      .filter(({ status }) => status === 'pending' || status === 'todo')
      .map(({ fullName }) => `${relative(ROOT, name)}: ${fullName}`),
  )

async function runPytest(args) {
  return withResultFile('pytest.xml', async (file) => {
    const end = await spawned(
      VENV_PYTHON,
      ['-m', 'pytest', 'scripts/tests', '-q', `--junitxml=${file}`, ...args],
      file,
    )
    const result = nothing()
    if (!existsSync(file)) {
      result.problems.push(`pytest ${end.how} without results`)
      return result
    }
    const xml = readFileSync(file, 'utf8')
    const count = (name) => Number(new RegExp(`<testsuite [^>]*\\b${name}="(\\d+)"`).exec(xml)?.[1] ?? 0)
    result.skipped = skippedInPytest(xml)
    result.failed = count('failures') + count('errors')
    result.passed = count('tests') - result.failed - result.skipped.length
    if (count('tests') === 0) result.problems.push('scripts/tests holds no tests')
    else if (end.failed && result.failed === 0) result.problems.push(`pytest ${end.how}`)
    return result
  })
}

const skippedInPytest = (xml) =>
  [...xml.matchAll(/<testcase classname="([^"]*)" name="([^"]*)"[^>]*><skipped [^>]*message="([^"]*)"/g)].map(
    ([, file, test, reason]) => unescaped(`${file}: ${test}: ${reason}`),
  )

const unescaped = (text) =>
  text
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#10;', ' ')
    .replaceAll('&amp;', '&')

async function withResultFile(name, use) {
  const folder = mkdtempSync(join(tmpdir(), 'wuerstchen-test-'))
  try {
    return await use(join(folder, name))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Runs with our own output. Once the results are written the process has EXIT_LIMIT_MS left to end. */
function spawned(command, args, resultFile) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: ROOT, stdio: 'inherit' })
    let killed = false
    let limit = null
    const watch = setInterval(() => {
      if (limit !== null || !existsSync(resultFile)) return
      limit = setTimeout(() => {
        killed = true
        child.kill('SIGKILL')
      }, EXIT_LIMIT_MS)
    }, 500)
    child.on('error', (error) => {
      clearInterval(watch)
      reject(error)
    })
    child.on('close', (code, signal) => {
      clearInterval(watch)
      clearTimeout(limit)
      resolve({
        failed: code !== 0,
        killed,
        how: signal ? `was ended by ${signal}` : `ended with exit code ${code}`,
      })
    })
  })
}

/** `chosen`: whether only some tests were asked for, and the others count as skipped without being listed. */
function report(results, { chosen }) {
  const sum = (pick) => results.reduce((total, result) => total + pick(result), 0)
  const skipped = results.flatMap((result) => result.skipped)
  const problems = results.flatMap((result) => result.problems)
  const passed = sum((result) => result.passed)
  if (passed === 0) problems.push('not one test passed')
  const failed = sum((result) => result.failed) + problems.length

  if (!chosen) list('SKIPPED, not tested on this machine', skipped)
  list('PROBLEMS, each counted as a failure', problems)
  console.log(`\n${passed} passed, ${failed} failed, ${skipped.length} skipped`)
  process.exitCode = failed > 0 ? 1 : 0
}

function list(title, lines) {
  if (lines.length > 0) console.log(`\n${title}:\n${lines.map((line) => `  - ${line}`).join('\n')}`)
}

const firstLine = (text) =>
  text
    .split('\n')
    .map((line) => line.trim())
    .find((line) => line && !line.startsWith('●')) ?? ''

main().catch((error) => {
  console.error(error.message)
  console.log('\n0 passed, 1 failed, 0 skipped')
  process.exitCode = 1
})
