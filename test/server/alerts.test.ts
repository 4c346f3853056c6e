/** The alerts of deploy/: whether each is raised in its outage, and in no other, as Prometheus itself judges. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../bench/support/reference'
import { folderOf, removeFolders } from '../support/temporary-folder'

const FOLDER = join(ROOT, 'deploy', 'prometheus')
const RULES = readFileSync(join(FOLDER, 'alerts.yaml'), 'utf8')
const TESTS = readFileSync(join(FOLDER, 'alerts.test.yaml'), 'utf8')
const NAMES = [...RULES.matchAll(/alert: (\w+)/g)].map(([, name = '']) => name)

const promtool = (cwd: string, ...args: string[]) => spawnSync('promtool', args, { cwd, encoding: 'utf8' })
const hasPromtool = promtool(FOLDER, '--version').status === 0
const itOfPromtool = hasPromtool ? it : it.skip
const skipped = hasPromtool ? '' : ' (SKIPPED: promtool is not installed: apt-get install prometheus)'

describe('alerts for Prometheus', () => {
  afterEach(removeFolders)

  it('are some', () => expect(NAMES.length).toBeGreaterThan(4))

  it.each(NAMES)('%s has a test in which it is raised, and one in which it is not', (name) => {
    const cases = TESTS.split(`alertname: ${name}`).slice(1)
    const raised = cases.filter((one) => /^\s+exp_alerts:\n\s+- /.test(one))
    const silent = cases.filter((one) => one.startsWith(', exp_alerts: []'))
    expect([raised.length > 0, silent.length > 0]).toEqual([true, true])
  })

  itOfPromtool(`are raised in their outage, and are silent else${skipped}`, () => {
    const { status, stdout, stderr } = promtool(FOLDER, 'test', 'rules', 'alerts.test.yaml')
    expect([status, stdout, stderr]).toEqual([0, expect.stringContaining('SUCCESS'), ''])
  })

  itOfPromtool(`fail the test once one is raised too late${skipped}`, () => {
    const late = RULES.replace('for: 1m', 'for: 30m')
    const { status, stdout, stderr } = promtool(
      folderOf({ 'alerts.yaml': late, 'alerts.test.yaml': TESTS }),
      ...['test', 'rules', 'alerts.test.yaml'],
    )
    expect([status, stdout + stderr]).toEqual([1, expect.stringContaining('WuerstchenBrokerUnreachable')])
  })
})
