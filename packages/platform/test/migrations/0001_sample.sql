-- A small service for the platform's own tests.
CREATE TABLE accounts (
  id uuid PRIMARY KEY,
  name text,
  balance bigint NOT NULL DEFAULT 0,
  opened_at timestamptz NOT NULL DEFAULT now()
);
SELECT ashlar.audited('accounts', entity => 'account', entity_id => 'id', person => 'id', personal => ARRAY['name']);

CREATE TABLE secrets (
  account_id uuid PRIMARY KEY,
  secret text NOT NULL,
  changed_at timestamptz NOT NULL DEFAULT now()
);
SELECT ashlar.audited('secrets', entity => 'account', entity_id => 'account_id', columns => ARRAY['account_id', 'changed_at']);

CREATE TABLE notes (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  text text NOT NULL
);
SELECT ashlar.technical('notes', 'scribbles of tests');
