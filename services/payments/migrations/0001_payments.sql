-- Payments, their one charge, their refunds. Amounts are whole minor units beside the currency's exponent.
CREATE TABLE payments (
  transaction_id        uuid PRIMARY KEY,
  user_id               uuid NOT NULL,
  amount_minor          bigint NOT NULL CHECK (amount_minor BETWEEN 1 AND 999999999999),
  exponent              smallint NOT NULL CHECK (exponent BETWEEN 0 AND 4),
  currency              text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  method                text NOT NULL CHECK (method IN ('credit_card', 'debit_card', 'paypal', 'bank_transfer')),
  status                text NOT NULL CHECK (status IN
    ('pending', 'processing', 'completed', 'failed', 'canceled', 'partially_refunded', 'refunded')),
  refunded_minor        bigint NOT NULL DEFAULT 0 CHECK (refunded_minor >= 0),
  refund_pending_minor  bigint NOT NULL DEFAULT 0 CHECK (refund_pending_minor >= 0),
  description           text,
  metadata              jsonb NOT NULL DEFAULT '{}',
  failure_code          text,
  failure_message       text,
  attempts              integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  version               integer NOT NULL DEFAULT 1 CHECK (version >= 1),
  created_at            timestamptz NOT NULL,
  updated_at            timestamptz NOT NULL,
  CONSTRAINT payments_refunds_within_amount CHECK (refunded_minor + refund_pending_minor <= amount_minor),
  CONSTRAINT payments_status_tells_refunds CHECK (
    CASE status
      WHEN 'refunded' THEN refunded_minor = amount_minor
      WHEN 'partially_refunded' THEN refunded_minor > 0 AND refunded_minor < amount_minor
      ELSE refunded_minor = 0
    END),
  CONSTRAINT payments_only_completed_are_refunded CHECK (
    refund_pending_minor = 0 OR status IN ('completed', 'partially_refunded')),
  CONSTRAINT payments_failure_belongs_to_failed CHECK ((failure_code IS NOT NULL) = (status = 'failed'))
);
CREATE INDEX payments_newest ON payments (created_at DESC, transaction_id DESC);
CREATE INDEX payments_of_user ON payments (user_id, created_at DESC, transaction_id DESC);
CREATE INDEX payments_by_status ON payments (status, created_at DESC, transaction_id DESC);

-- One charge per payment, whatever the code above does.
CREATE TABLE attempts (
  id              uuid PRIMARY KEY,
  transaction_id  uuid NOT NULL UNIQUE REFERENCES payments (transaction_id),
  request_key     text NOT NULL,
  outcome         text CHECK (outcome IN ('succeeded', 'declined', 'voided')),
  reference       text,
  started_at      timestamptz NOT NULL,
  settled_at      timestamptz,
  CONSTRAINT attempts_settled_once CHECK ((outcome IS NULL) = (settled_at IS NULL)),
  CONSTRAINT attempts_reference_of_success CHECK ((outcome IS NOT DISTINCT FROM 'succeeded') = (reference IS NOT NULL))
);

CREATE TABLE refunds (
  id               uuid PRIMARY KEY,
  transaction_id   uuid NOT NULL REFERENCES payments (transaction_id),
  user_id          uuid NOT NULL,
  amount_minor     bigint NOT NULL CHECK (amount_minor > 0),
  exponent         smallint NOT NULL CHECK (exponent BETWEEN 0 AND 4),
  currency         text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  status           text NOT NULL CHECK (status IN ('pending', 'succeeded', 'failed')),
  reason           text,
  failure_code     text,
  failure_message  text,
  request_key      text NOT NULL,
  created_at       timestamptz NOT NULL,
  updated_at       timestamptz NOT NULL,
  CONSTRAINT refunds_once_per_request UNIQUE (transaction_id, request_key),
  CONSTRAINT refunds_failure_belongs_to_failed CHECK ((failure_code IS NOT NULL) = (status = 'failed'))
);
CREATE INDEX refunds_of_payment ON refunds (transaction_id, created_at DESC, id DESC);

-- The provider's token, sealed, only as long as a charge may still need it.
CREATE TABLE payment_sources (
  transaction_id  uuid PRIMARY KEY REFERENCES payments (transaction_id),
  sealed          bytea NOT NULL,
  changed_at      timestamptz NOT NULL DEFAULT now()
);

-- A row exists only while a charge or refund has no end. All times are the database's.
CREATE TABLE attempt_leases (
  attempt_id      uuid PRIMARY KEY,
  kind            text NOT NULL CHECK (kind IN ('charge', 'refund')),
  transaction_id  uuid NOT NULL REFERENCES payments (transaction_id),
  owner           uuid NOT NULL,
  leased_until    timestamptz NOT NULL,
  look_at         timestamptz NOT NULL,
  looks           integer NOT NULL DEFAULT 0,
  started_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  request_id      text NOT NULL,
  traceparent     text NOT NULL
);
CREATE INDEX attempt_leases_due ON attempt_leases (look_at);

SELECT ashlar.audited('payments', entity => 'payment', entity_id => 'transaction_id',
  person => 'user_id', personal => ARRAY['description', 'metadata']);
SELECT ashlar.audited('attempts', entity => 'payment', entity_id => 'transaction_id');
SELECT ashlar.audited('refunds', entity => 'refund', entity_id => 'id',
  person => 'user_id', personal => ARRAY['reason']);
SELECT ashlar.audited('payment_sources', entity => 'payment', entity_id => 'transaction_id',
  columns => ARRAY['transaction_id', 'changed_at']);
SELECT ashlar.technical('attempt_leases', 'who may call the provider, and when next; attempts and refunds tell the story');
