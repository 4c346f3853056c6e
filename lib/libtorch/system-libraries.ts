/** Libraries that a system brings, by the names of Debian's packages. */

const PACKAGES: readonly (readonly [library: RegExp, name: string])[] = [
  [/^libstdc\+\+\.so/, 'libstdc++6'],
  [/^libgomp\.so/, 'libgomp1'],
  [/^libgcc_s\.so/, 'libgcc-s1'],
  [/^libnuma\.so/, 'libnuma1'],
  [/^libz\.so/, 'zlib1g'],
  [/^libatomic\.so/, 'libatomic1'],
]

/** Null for a library whose package is not known: a guess would be a command that fails. */
export function installationOfLibrary(library: string): string | null {
  const name = PACKAGES.find(([pattern]) => pattern.test(library))?.[1]
  if (name === undefined) return null
  return `This system has no ${library}. On Debian or Ubuntu run: apt-get install ${name}`
}
