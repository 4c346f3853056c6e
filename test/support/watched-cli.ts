import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { ROOT } from '../../bench/support/reference'
import { folderOf } from './temporary-folder'

/** A process of the command line, and when it is in the middle of a picture. */
export function watched(args: readonly string[]): { child: ChildProcess; stepped: Promise<unknown> } {
  const watch = `
    const channel = require('node:diagnostics_channel')
    const tell = () => {
      channel.unsubscribe('wuerstchen:turn', tell)
      process.send('stepped')
    }
    channel.subscribe('wuerstchen:turn', tell)`
  const preload = join(folderOf({ 'watch.cjs': watch }), 'watch.cjs')
  const main = join(ROOT, 'dist', 'cli', 'main.js')
  const child = spawn(process.execPath, ['--require', preload, main, ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  return { child, stepped: new Promise((resolve) => child.once('message', resolve)) }
}
