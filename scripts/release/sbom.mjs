/**
 * The bill of materials of a release, in CycloneDX: `node scripts/release/sbom.mjs [FILE]`. npm lists the JavaScript;
 * added are what the native parts contain and which wheel each package of libtorch was made from.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { at } from '../tooling/places.mjs'
import { checkoutManifest } from './manifest.mjs'
import { LIBTORCH, libtorchPackage, NPM, RELEASE, TARGETS } from './places.mjs'

export function billOfMaterials() {
  const bill = JSON.parse(billOfDependencies())
  bill.components.push(nodeAddonApi(), ...TARGETS.map(libtorchComponent))
  return bill
}

/**
 * As the lock file has them, in a project without our tools: `npm sbom --omit=dev` also leaves out what both a tool and
 * the package depend on.
 */
function billOfDependencies() {
  const folder = join(RELEASE, 'sbom')
  mkdirSync(folder, { recursive: true })
  const { name, version, license, dependencies } = checkoutManifest()
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name, version, license, dependencies }))
  for (const file of ['package-lock.json', '.npmrc']) cpSync(at(file), join(folder, file))
  const npm = (...args) => execFileSync(process.execPath, [NPM, ...args], { cwd: folder, encoding: 'utf8' })
  npm('install', '--package-lock-only', '--ignore-scripts', '--prefer-offline', '--no-audit')
  return npm('sbom', '--sbom-format', 'cyclonedx', '--package-lock-only')
}

/** Headers that are compiled into both addons. */
function nodeAddonApi() {
  const { version, license } = JSON.parse(
    readFileSync(at('node_modules', 'node-addon-api', 'package.json'), 'utf8'),
  )
  const purl = `pkg:npm/node-addon-api@${version}`
  return {
    type: 'library',
    'bom-ref': purl,
    name: 'node-addon-api',
    version,
    purl,
    licenses: [{ license: { id: license } }],
  }
}

function libtorchComponent(target) {
  const { wheel, sha256, requirement, licenses } = LIBTORCH.targets[target]
  const version = requirement.replace('torch==', '')
  const name = libtorchPackage(target)
  return {
    type: 'library',
    'bom-ref': `pkg:npm/${encodeURIComponent(name).replace('%2F', '/')}@${LIBTORCH.torch}`,
    name,
    version: LIBTORCH.torch,
    purl: `pkg:npm/${encodeURIComponent(name).replace('%2F', '/')}@${LIBTORCH.torch}`,
    licenses: [{ license: { id: 'BSD-3-Clause' } }, ...licenses.map((text) => ({ license: { name: text } }))],
    components: [
      {
        type: 'file',
        name: wheel,
        version,
        purl: `pkg:pypi/torch@${encodeURIComponent(version)}?file_name=${encodeURIComponent(wheel)}`,
        hashes: [{ alg: 'SHA-256', content: sha256 }],
      },
    ],
  }
}

if (import.meta.filename === process.argv[1]) {
  const file = process.argv[2] ?? join(RELEASE, 'sbom.cdx.json')
  writeFileSync(file, `${JSON.stringify(billOfMaterials(), null, 2)}\n`)
  console.log(file)
}
