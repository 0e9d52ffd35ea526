export { loadKeyFile } from './key-file.ts'
export { createKeyring, type Keyring } from './keyring.ts'
export { loadMasterKey } from './master-key.ts'
export { type Bound, openWith, sealWith } from './seal.ts'
