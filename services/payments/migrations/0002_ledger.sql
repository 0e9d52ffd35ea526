-- What moved money, in double entry. A movement is a charge, a refund, or a bank transfer that was completed by hand;
-- its postings are written in the transaction that settles it, and sum to zero in its currency.
CREATE TABLE postings (
  transaction_id  uuid NOT NULL REFERENCES payments (transaction_id),
  -- The attempt of a charge, the refund, or the payment itself where no provider had a part in it.
  movement_id     uuid NOT NULL,
  account         text NOT NULL CHECK (account IN ('provider_clearing', 'bank', 'customer_payments', 'refunds')),
  kind            text NOT NULL CHECK (kind IN ('charge', 'refund', 'bank_transfer')),
  -- Minor units; debits are positive, credits negative.
  amount_minor    bigint NOT NULL CHECK (amount_minor <> 0),
  currency        text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  posted_at       timestamptz NOT NULL,
  -- Of all of the above, under a key that the database does not hold.
  digest          bytea NOT NULL CHECK (octet_length(digest) = 32),
  PRIMARY KEY (transaction_id, movement_id, account)
);

-- Whatever the code above does, no statement can add postings that do not balance.
CREATE FUNCTION postings_balance() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  movement uuid;
BEGIN
  SELECT a.movement_id INTO movement FROM added a
  GROUP BY a.movement_id, a.currency HAVING sum(a.amount_minor) <> 0 LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'the postings of movement % do not balance', movement USING ERRCODE = 'check_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER postings_balance AFTER INSERT ON postings
  REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION postings_balance();

SELECT ashlar.append_only('postings');
SELECT ashlar.audited('postings', entity => 'payment', entity_id => 'transaction_id');

-- Whether the ledger tells of it already. What an earlier release settled, before this migration or still beside it,
-- reads false and is posted afterwards.
ALTER TABLE attempts ADD COLUMN posted boolean NOT NULL DEFAULT false;
ALTER TABLE refunds ADD COLUMN posted boolean NOT NULL DEFAULT false;
CREATE INDEX attempts_to_post ON attempts (id) WHERE outcome = 'succeeded' AND NOT posted;
CREATE INDEX refunds_to_post ON refunds (id) WHERE status = 'succeeded' AND NOT posted;
