import { generateKeyPairSync } from 'node:crypto'
import { loadKeyFile } from '@ashlar/platform/keys'
import { type Signer, signerOf } from '../../domain/checkpoint.ts'

/** The Ed25519 key of the checkpoints, PKCS#8 in PEM, made where there is none. */
export const loadSigner = async (path: string): Promise<Signer> =>
  signerOf(
    await loadKeyFile(path, () =>
      generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    ),
  )
