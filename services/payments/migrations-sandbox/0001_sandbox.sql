-- The sandbox provider's own books: one row per attempt and kind. A row without an outcome was received
-- and booked nothing.
CREATE TABLE operations (
  attempt_id         uuid NOT NULL,
  kind               text NOT NULL CHECK (kind IN ('charge', 'refund', 'void')),
  transaction_id     uuid NOT NULL,
  amount_minor       bigint NOT NULL CHECK (amount_minor > 0),
  currency           text NOT NULL,
  source             text,
  outcome            text CHECK (outcome IN ('succeeded', 'declined', 'voided')),
  decline_code       text,
  decline_message    text,
  received_count     integer NOT NULL DEFAULT 1,
  at                 timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (attempt_id, kind)
);
CREATE INDEX operations_of_transaction ON operations (transaction_id, at);

SELECT ashlar.technical('operations', 'stands in for a provider outside of the installation');
