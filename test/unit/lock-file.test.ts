/** package-lock.json must serve every machine: `npm ci` anywhere, whatever mirror and platform wrote the file. */
import manifest from '../../package.json'
import lock from '../../package-lock.json'

interface LockedPackage {
  readonly version?: string
  readonly resolved?: string
  readonly integrity?: string
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly engines?: Readonly<Record<string, string>>
  readonly dev?: boolean
}

const packages = Object.entries(lock.packages as Readonly<Record<string, LockedPackage>>).filter(
  ([path]) => path !== '',
)
const named = (one: readonly (readonly [string, unknown])[]) => one.map(([path]) => path)

const { satisfies } = require('semver') as { satisfies: (version: string, range: string) => boolean }

describe('package-lock.json', () => {
  it('lists packages', () => {
    expect(packages.length).toBeGreaterThan(100)
  })

  it('names no registry', () => {
    expect(named(packages.filter(([, { resolved }]) => resolved !== undefined))).toEqual([])
  })

  it('pins the contents of every package', () => {
    expect(named(packages.filter(([, { integrity }]) => !integrity?.startsWith('sha512-')))).toEqual([])
  })

  // npm leaves out what it cannot find when it writes the file, and then `npm ci` refuses the file.
  it('has an entry for every platform that a package is built for', () => {
    const optional = packages.flatMap(([, one]) => Object.keys(one.optionalDependencies ?? {}))
    const missing = optional.filter(
      (name) => !packages.some(([path]) => path.endsWith(`node_modules/${name}`)),
    )
    expect(optional).not.toEqual([])
    expect(missing).toEqual([])
  })

  describe('of what users get, too,', () => {
    const shipped = packages.filter(([, { dev }]) => !dev)

    // They have no effect where this package is a dependency.
    it('has nothing that an override holds', () => {
      const held = Object.keys(manifest.overrides)
      const isHeld = ([path]: readonly [string, unknown]) =>
        held.some((name) => path.endsWith(`node_modules/${name}`))
      expect(packages.some(isHeld)).toBe(true)
      expect(named(shipped.filter(isHeld))).toEqual([])
    })

    it('has nothing that npm warns of on the oldest Node', () => {
      const oldest = /[\d.]+/.exec(manifest.engines.node)?.[0] ?? ''
      const stated = shipped.filter(([, { engines }]) => engines?.node !== undefined)
      expect(stated.length).toBeGreaterThan(10)
      expect(stated.filter(([, { engines }]) => !satisfies(oldest, engines?.node ?? ''))).toEqual([])
    })
  })
})
