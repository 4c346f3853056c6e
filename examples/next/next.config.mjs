/** The addon and sharp are loaded by Node, not bundled. */
export default { serverExternalPackages: ['wuerstchen', 'sharp'] }
