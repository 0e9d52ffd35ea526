-- Webhooks on their way: written with the booking that they tell of, sent until the receiver has taken them.
CREATE TABLE deliveries (
  event_id        uuid PRIMARY KEY,
  attempt_id      uuid NOT NULL,
  transaction_id  uuid NOT NULL,
  -- Sent as it stands here, each time the same bytes.
  body            text NOT NULL,
  sends           integer NOT NULL DEFAULT 0,
  -- Null once nothing more is to be sent.
  send_at         timestamptz,
  delivered_at    timestamptz,
  last_failure    text,
  created_at      timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX deliveries_due ON deliveries (send_at) WHERE send_at IS NOT NULL;
CREATE INDEX deliveries_of_transaction ON deliveries (transaction_id);
SELECT ashlar.technical('deliveries', 'stands in for a provider outside of the installation');
