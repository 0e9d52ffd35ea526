import { createHash, createPrivateKey, createPublicKey, hash, type KeyObject, sign, verify } from 'node:crypto'
import { canonicalJson } from '@ashlar/kernel'
import { GENESIS } from './entry.ts'

/** 128 bits of each hash: nobody finds a second entry for them, and a thousand fit into 21 KB of text. */
export const WITNESS_BYTES = 16

/** Says: at this time the entries `from` to `to` of the chain had exactly these hashes. */
export type Checkpoint = {
  chain: string
  /** From 1, without holes, per chain. */
  number: number
  from: number
  to: number
  /** Of the entry `to`. */
  hash: string
  /** SHA-256 of the decoded `witness`. */
  witnessHash: string
  /** `checkpointHash` of the one before; zeros for the first. */
  previous: string
  at: string
  /** Fingerprint of the key that signed. */
  key: string
  /** Ed25519 over the canonical JSON of all fields above, in base64. */
  signature: string
  /** The hashes of the entries `from` to `to`, 16 bytes each, in base64. */
  witness: string
}

export type Signer = { privateKey: KeyObject; publicKey: string; fingerprint: string }

/** The first 16 bytes of an entry's hash. */
export const witnessOf = (entryHash: string): Buffer => Buffer.from(entryHash.slice(0, WITNESS_BYTES * 2), 'hex')

/** For a place that was taken by an entry which this chain's writer did not write: no entry matches it. */
export const FOREIGN_WITNESS = Buffer.alloc(WITNESS_BYTES)

const signedPart = ({ signature: _, witness: __, ...body }: Checkpoint): string => canonicalJson(body)

/** What the next checkpoint of the chain refers to. */
export const checkpointHash = (checkpoint: Checkpoint): string =>
  hash('sha256', canonicalJson([signedPart(checkpoint), checkpoint.signature]), 'hex')

export const signCheckpoint = (
  signer: Signer,
  previous: Checkpoint | undefined,
  range: { chain: string; hash: string; witnesses: readonly Buffer[]; at: string },
): Checkpoint => {
  const witness = Buffer.concat(range.witnesses)
  const from = (previous?.to ?? 0) + 1
  const unsigned: Checkpoint = {
    chain: range.chain,
    number: (previous?.number ?? 0) + 1,
    from,
    to: from + range.witnesses.length - 1,
    hash: range.hash,
    witnessHash: hash('sha256', witness, 'hex'),
    previous: previous ? checkpointHash(previous) : GENESIS,
    at: range.at,
    key: signer.fingerprint,
    signature: '',
    witness: witness.toString('base64'),
  }
  return { ...unsigned, signature: sign(null, Buffer.from(signedPart(unsigned)), signer.privateKey).toString('base64') }
}

/** The checkpoint is what it was when it was signed, and by this key. `publicKey` is PEM (SPKI). */
export const isGenuine = (checkpoint: Checkpoint, publicKey: KeyObject): boolean => {
  const witness = Buffer.from(checkpoint.witness, 'base64')
  if (witness.length !== (checkpoint.to - checkpoint.from + 1) * WITNESS_BYTES) return false
  if (createHash('sha256').update(witness).digest('hex') !== checkpoint.witnessHash) return false
  try {
    return verify(null, Buffer.from(signedPart(checkpoint)), publicKey, Buffer.from(checkpoint.signature, 'base64'))
  } catch {
    return false
  }
}

/** SHA-256, in hex, of the key's DER form. */
export const fingerprintOf = (publicKey: KeyObject): string =>
  hash('sha256', publicKey.export({ type: 'spki', format: 'der' }), 'hex')

export const signerOf = (privatePem: string): Signer => {
  const privateKey = createPrivateKey(privatePem)
  if (privateKey.asymmetricKeyType !== 'ed25519') throw new Error('The signing key of the trail must be Ed25519')
  const publicKey = createPublicKey(privateKey)
  return {
    privateKey,
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    fingerprint: fingerprintOf(publicKey),
  }
}

/** The text that a log line and a person can hold against the file: everything but the list of hashes. */
export const checkpointLine = ({ witness: _, ...rest }: Checkpoint): Omit<Checkpoint, 'witness'> => rest
