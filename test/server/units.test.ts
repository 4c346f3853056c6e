/** The units of deploy/, for systemd: whether it reads them, and whether their commands are ours. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../bench/support/reference'
import { ServerConfig } from '../../lib/server'
import { folderOf, removeFolders } from '../support/temporary-folder'
import { run } from '../support/wuerstchen-run'

const UNITS = [
  ['wuerstchen.service', 'serve'],
  ['wuerstchen-worker.service', 'worker'],
] as const
const PROGRAM = '/opt/wuerstchen/node_modules/.bin/wuerstchen'

const textOf = (unit: string) => readFileSync(join(ROOT, 'deploy', unit), 'utf8')
const values = (unit: string, name: string) =>
  [...textOf(unit).matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].map(([, value = '']) => value)

const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0
const itOfSystemd = hasSystemd ? it.each(UNITS) : it.skip.each(UNITS)
const skipped = hasSystemd ? '' : ' (SKIPPED: systemd-analyze is not installed: apt-get install systemd)'

describe('units for systemd', () => {
  afterEach(removeFolders)

  itOfSystemd(`%s is what systemd understands${skipped}`, (unit) => {
    // It looks for the program, which lies elsewhere in a checkout.
    const folder = folderOf({ [unit]: textOf(unit).replaceAll(PROGRAM, '/bin/true') })
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', join(folder, unit)], {
      encoding: 'utf8',
    })
    expect([status, stderr]).toEqual([0, ''])
  })

  it.each(UNITS)('%s runs wuerstchen %s, after a check of its settings', async (unit, command) => {
    const [start = ''] = values(unit, 'ExecStart')
    expect(start).toBe(`${PROGRAM} ${command} --config /etc/wuerstchen/server.json`)
    expect(values(unit, 'ExecStartPre')).toEqual([`${start} --check-config`])
    const helping = run([command, '--help'])
    await helping.ended
    for (const flag of ['--config', '--check-config']) expect(helping.out()).toContain(flag)
  })

  it.each(UNITS)('%s leaves %s the time to drain', (unit) => {
    const [seconds] = values(unit, 'TimeoutStopSec')
    expect(Number(seconds)).toBeGreaterThan(ServerConfig.properties.drainSeconds.default as number)
  })

  it('confine both alike, to one cache', () => {
    const [server, worker] = UNITS.map(([unit]) => {
      const [, section = ''] = textOf(unit).split('KillMode=mixed')
      return section.split('\n').filter((line) => /^\w+=/.test(line) && line !== 'User=wuerstchen')
    })
    expect(server?.length).toBeGreaterThan(10)
    expect(worker).toEqual(server)
  })
})
