/** package-lock.json must serve every machine: `npm ci` anywhere, whatever mirror and platform wrote the file. */
import lock from '../../package-lock.json'

interface LockedPackage {
  readonly version?: string
  readonly resolved?: string
  readonly integrity?: string
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

const packages = Object.entries(lock.packages as Readonly<Record<string, LockedPackage>>).filter(
  ([path]) => path !== '',
)
const named = (one: readonly (readonly [string, unknown])[]) => one.map(([path]) => path)

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
})
