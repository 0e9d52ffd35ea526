import type { PaymentStore } from '../ports.ts'

const AT_ONCE = 500

/** Brings the ledger up to date with what was settled without it, batch by batch, until nothing is left or `until`. */
export const postUnposted =
  ({ store }: { store: Pick<PaymentStore, 'postUnposted'> }) =>
  async (until: () => boolean = () => false): Promise<void> => {
    while (!until() && (await store.postUnposted(AT_ONCE)) > 0);
  }
