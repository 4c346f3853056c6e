/** The folders of a pipeline's repository, by what they hold. A combined pipeline has the prior's beside the decoder's. */

const NETWORKS = ['decoder', 'prior', 'vqgan', 'text_encoder', 'previewer']

/** `prior_text_encoder` holds what `text_encoder` does. */
function plain(folder: string): string {
  return folder.replace(/^prior_/, '')
}

export const isNetwork = (folder: string) => NETWORKS.includes(plain(folder))
export const isScheduler = (folder: string) => plain(folder) === 'scheduler'
export const isTokenizer = (folder: string) => plain(folder) === 'tokenizer'
