#!/usr/bin/env node
import { Command, CommanderError, InvalidArgumentError } from 'commander'
import { packageVersion } from '../files/package-root'
import { ExitCode, fail } from './exit'
import { OutputFailed, watchOutput } from './output'

// Commands are loaded when they are called: `--help` needs neither the package nor libtorch.

const program = new Command('wuerstchen')
  .description('Text to image with Würstchen, inside Node.js')
  .version(packageVersion())
  .exitOverride()

program
  .command('generate')
  .description('make pictures from captions')
  .argument('[caption]', 'what the picture shows')
  .option(
    '-o, --output <file>',
    "picture file: .png, .jpg, .webp, .avif or .tiff; '-' writes a PNG to standard output (default: wuerstchen.png)",
  )
  .option(
    '--from <picture>',
    'make this PNG of ours again; other flags, and a caption, change what they name',
  )
  .option('--captions <file>', "text file with one caption a line ('-' reads standard input)")
  .option('--out-dir <folder>', 'folder for the pictures of --captions (default: .)')
  .option(
    '--model <id>',
    "a model's id on the hub, or its decoder's folder (default: the model of this package)",
  )
  .option(
    '--prior <id>',
    "the prior's id or folder; twice: a prior between the two (default: the one that the model card names)",
    toList,
  )
  .option('--prior-weight <number>', 'place between two priors, from 0 to 1 (default: 0.5)', toNumber)
  .option('--revision <name>', 'branch, tag or commit of a model on the hub (default: main)')
  .option('--variant <name>', 'weights of another kind where there are any, such as fp16')
  .option('--token <token>', 'access token of the hub (default: HF_TOKEN, or what the hub login stored)')
  .option('--cache-dir <folder>', "folder of downloaded models (default: the Python hub client's)")
  .option('--local-files-only', 'ask nobody: the model is in the cache already')
  .option('--graphs <folder>', 'folder with exported graphs, beside those of this package')
  .option('--lora <file>', 'LoRA file, or file=scale; may be given several times', toLora)
  .option('--embedding <file>', 'textual inversion, a word of its own; may be given several times', toList)
  .option('--parity <with>', 'none or diffusers: in a narrow dtype, round where it rounds')
  .option('--negative-prompt <text>', 'what the picture should not show')
  .option('--prompt-syntax <name>', 'how captions are written: plain, compel or a1111')
  .option('--long-prompts <how>', 'how to read text beyond 77 tokens: truncate or chunk')
  .option('--seed <number>', 'same seed, same picture (default: a random one for each)', toSeed)
  .option('--width <pixels>', 'width of the picture', toNumber)
  .option('--height <pixels>', 'height of the picture', toNumber)
  .option('--steps <number>', 'steps of the prior', toNumber)
  .option('--decoder-steps <number>', 'steps of the decoder', toNumber)
  .option('--prior-timesteps <list>', "the prior's own schedule, such as 1,0.6,0.3,0", toNumbers)
  .option('--decoder-timesteps <list>', "the decoder's own schedule", toNumbers)
  .option('--guidance <number>', 'guidance scale of the prior; up to 1 is off', toNumber)
  .option('--decoder-guidance <number>', 'guidance scale of the decoder; up to 1 is off', toNumber)
  .option('--count <number>', 'pictures per caption', toNumber)
  .option('--dtype <type>', 'auto, float32, bfloat16, float16 or int8')
  .option('--device <name>', 'auto, cpu, cpu:0, cuda, cuda:1 or mps; several are separated by commas')
  .option('--threads <number>', 'CPU threads', toNumber)
  .option('--kernels <how>', 'auto, packed, shared, mapped or off')
  .option('--offload <how>', 'none, model or sequential: what of the weights is kept in memory')
  .option('--max-memory <bytes>', 'refuse what is predicted to need more', toNumber)
  .option('--max-batch-rows <number>', 'rows of one native call; a guided picture takes two', toNumber)
  .option('--prompt-cache-bytes <bytes>', 'embeddings that are kept for captions alike', toNumber)
  .option('--weights-cache <folder>', 'where converted and shared weights are kept for the next start')
  .option('--no-weights-cache', 'convert them at every start')
  .option('--no-cuda-graphs', 'run the steps of a GPU one by one')
  .option(
    '--preview-every <steps>',
    'write NAME-preview.png after every so many steps of the prior',
    toNumber,
  )
  .option('--timeout-ms <number>', 'give up on a caption after so many milliseconds', toNumber)
  .option('--libtorch <folder>', "folder of libtorch (default: searched for, see 'wuerstchen doctor')")
  .option('--json', 'one JSON object per picture on standard output')
  .option('--quiet', 'print errors only')
  .action(async (caption: string | undefined, flags) => {
    const { generate } = require('./generate') as typeof import('./generate')
    await generate(caption, flags)
  })

program
  .command('pull')
  .description('download a model from the hub, or find it in the cache, and print its folders')
  .argument('<id>', "the model's id, such as warp-ai/wuerstchen or org/name@revision")
  .option('--prior <id>', "another prior than the one that the model's card names")
  .option('--revision <name>', 'branch, tag or commit (default: main)')
  .option('--variant <name>', 'weights of another kind where there are any, such as fp16')
  .option('--token <token>', 'access token (default: HF_TOKEN, or what the hub login stored)')
  .option('--cache-dir <folder>', "folder of downloaded models (default: the Python hub client's)")
  .option('--json', 'the folders as JSON on standard output')
  .option('--quiet', 'no progress')
  .action(async (id: string, flags) => {
    const { pull } = require('./pull') as typeof import('./pull')
    await pull(id, flags)
  })

program
  .command('models')
  .description('list the models in the cache')
  .option('--cache-dir <folder>', "folder of downloaded models (default: the Python hub client's)")
  .option('--json', 'the list as JSON on standard output')
  .action((flags) => {
    const { models } = require('./models') as typeof import('./models')
    models(flags)
  })

program
  .command('export')
  .description(
    "make the graphs of a model whose config is not among this package's own (needs Python with torch)",
  )
  .argument('<folder>', "decoder's folder in the hub's layout")
  .option('--prior <folder>', "prior's folder (default: the decoder's name with -prior, beside it)")
  .option('--out <folder>', 'where the graphs are written, to be named with --graphs', 'graphs')
  .option('--compile <dtype>', 'compile the hot methods for this machine, too: float32, bfloat16 or float16')
  .option('--device <device>', 'of what is compiled: cpu or cuda (default: cpu)')
  .action(async (folder: string, flags) => {
    const { exportModel } = require('./export') as typeof import('./export')
    await exportModel(folder, flags)
  })

program
  .command('doctor')
  .description('say whether this machine can make pictures, and what is missing')
  .option('--libtorch <folder>', 'look at this libtorch only')
  .option('--json', 'the findings as JSON on standard output')
  .action((flags) => {
    const { doctor } = require('./doctor') as typeof import('./doctor')
    process.exitCode = doctor(flags)
  })

program
  .command('serve')
  .description('serve pictures over HTTP: the OpenAI images API, jobs, and a page')
  .argument('[flags...]', "see 'wuerstchen serve --help'")
  .helpOption(false)
  .allowUnknownOption()
  .action(async (flags: string[]) => {
    const { serve } = require('./serve') as typeof import('./serve')
    await serve(flags)
  })

program
  .command('worker')
  .description("make the pictures of a queue, for 'wuerstchen serve --queue'")
  .argument('[flags...]', "see 'wuerstchen worker --help'")
  .helpOption(false)
  .allowUnknownOption()
  .action(async (flags: string[]) => {
    const { worker } = require('./worker') as typeof import('./worker')
    await worker(flags)
  })

program
  .command('key')
  .description("make an API key for 'wuerstchen serve'")
  .argument('<name>', 'names the client in logs and metrics, and owns its jobs')
  .option('--json', 'key and entry as JSON on standard output')
  .action((name: string, flags) => {
    const { key } = require('./key') as typeof import('./key')
    key(name, flags)
  })

const runtime = program
  .command('runtime')
  .description("libtorch, installed by this package: for GPUs, and where npm's package of it was left out")

runtime
  .command('install')
  .description('download an official libtorch, check it, and put it where pipelines look for it')
  .argument('[flavour]', "cpu, cu126 or cu130 (default: what fits this machine's GPU, else cpu)")
  .option('--from <place>', 'a file, a folder or an address that has the official archive')
  .option('--sha256 <hash>', 'hash of the archive in --from, for one that this package does not know')
  .option(
    '--dry-run',
    'say what would be done, with addresses and hashes; compare files of --from, and write nothing',
  )
  .option(
    '--folder <folder>',
    'folder of the runtimes (default: libtorch in WUERSTCHEN_CACHE or ~/.cache/wuerstchen)',
  )
  .option('--json', 'the outcome as JSON on standard output')
  .option('--quiet', 'no progress')
  .action(async (flavour: string | undefined, flags) => {
    const { installedRuntime } = require('./runtime') as typeof import('./runtime')
    await installedRuntime(flavour, flags)
  })

runtime
  .command('list')
  .description('list what is installed')
  .option('--folder <folder>', 'folder of the runtimes')
  .option('--json', 'the list as JSON on standard output')
  .action((flags) => {
    const { listedRuntimes } = require('./runtime') as typeof import('./runtime')
    listedRuntimes(flags)
  })

runtime
  .command('remove')
  .description('remove what was installed')
  .argument('<name>', "a name of the list, a flavour, or 'all'")
  .option('--folder <folder>', 'folder of the runtimes')
  .action(async (name: string, flags) => {
    const { removedRuntimes } = require('./runtime') as typeof import('./runtime')
    await removedRuntimes(name, flags)
  })

watchOutput()
program.parseAsync(withHelp(process.argv)).catch((error: unknown) => {
  if (error instanceof OutputFailed) return // told already
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? ExitCode.ok : ExitCode.usage
  else fail(error)
})

/** `help serve` is `serve --help`: these two commands read their flags themselves, with what each does. */
function withHelp(argv: readonly string[]): string[] {
  const [node = '', main = '', command, name = ''] = argv
  return command === 'help' && ['serve', 'worker'].includes(name) ? [node, main, name, '--help'] : [...argv]
}

/** `style.safetensors=0.8`: a file and what its changes are multiplied by. */
function toLora(
  text: string,
  before: { path: string; scale: number }[] = [],
): { path: string; scale: number }[] {
  const [, path = text, scale = '1'] = /^(.*)=([^=]*)$/.exec(text) ?? []
  return [...before, { path, scale: toNumber(scale) }]
}

/** Every one of a flag that may be given several times. */
function toList(text: string, before: string[] = []): string[] {
  return [...before, text]
}

/** `1, 0.5, 0` */
function toNumbers(text: string): number[] {
  return text.split(',').map(toNumber)
}

/** Beyond what a number can hold, a BigInt. */
function toSeed(text: string): number | bigint {
  const number = toNumber(text)
  return /^\d+$/.test(text) && !Number.isSafeInteger(number) ? BigInt(text) : number
}

function toNumber(text: string): number {
  if (text.trim() !== '' && !Number.isNaN(Number(text))) return Number(text)
  throw new InvalidArgumentError('Expected a number.')
}
