/** Commands for what npm brings. */

import { packageVersion } from '../files/package-root'

/** By the package's name: an old npm brings nothing that a lock file of another platform does not have. */
export const npmInstall = () => `npm install --include=optional wuerstchen@${packageVersion()}`

/** npm takes what is there for whole, and `npm ci` needs a lock file. */
export const npmAgain = () => `Remove node_modules, and install again: ${npmInstall()}`
