/** Commands that bring a libtorch, for messages. Each works as it is typed. */

import { BUILDS, type Build, PIP_TORCH } from './builds'
import { majorMinor } from './find'
import { flavoursFor, nvidiaDriver } from './flavours'
import { TARGET } from './runtimes'

/** What is on Python's package index has no address here: pip brings it along. */
export function runtimeInstall({ flavour, version, archives }: Build): string {
  const install = `npx wuerstchen runtime install ${flavour}`
  const isReachable = process.env.WUERSTCHEN_LIBTORCH_MIRROR || archives.every(({ url }) => URL.canParse(url))
  return isReachable ? install : `${pipDownload(version)} && ${install} --from wheels`
}

export const pipDownload = (version: string) =>
  `pip download torch==${version} --python-version 3.11 --only-binary=:all: -d wheels`

/** The build for this machine's GPU, or for its CPU. */
export function fittingBuild(builds: readonly Build[] = BUILDS, machine = TARGET): Build | undefined {
  const buildOf = (flavour: string) => builds.find((one) => one.flavour === flavour && one.target === machine)
  return [...flavoursFor(nvidiaDriver()), 'cpu'].map(buildOf).find((build) => build !== undefined)
}

/** Brings a libtorch that fits one of the versions; with no addon to ask, this package's own. */
export function installationOf(versions: readonly string[], machine = TARGET): string {
  const build = fittingBuild(BUILDS, machine)
  if (build !== undefined && (versions.length === 0 || versions.includes(majorMinor(build.version) ?? '')))
    return runtimeInstall(build)
  const torch = versions.length === 0 ? PIP_TORCH : `torch==${versions[0]}.*`
  return `python3 -m venv ~/torch && ~/torch/bin/pip install '${torch}' && export WUERSTCHEN_LIBTORCH=~/torch`
}
