CREATE TABLE people (
  id uuid PRIMARY KEY,
  email text NOT NULL,
  name text,
  note json,
  seen_at timestamptz NOT NULL DEFAULT now()
);
SELECT ashlar.audited('people', entity => 'user', entity_id => 'id', person => 'id', personal => ARRAY['email', 'name']);

CREATE TABLE lines (
  account text NOT NULL,
  number int NOT NULL,
  amount bigint NOT NULL,
  text text,
  PRIMARY KEY (account, number)
);
SELECT ashlar.audited('lines', entity => 'line', entity_id => 'account');

CREATE TABLE secrets (
  person_id uuid PRIMARY KEY,
  password_hash text NOT NULL,
  changed_at timestamptz NOT NULL DEFAULT now()
);
SELECT ashlar.audited('secrets', entity => 'user', entity_id => 'person_id', columns => ARRAY['person_id', 'changed_at']);

CREATE TABLE scratch (id int PRIMARY KEY);
SELECT ashlar.technical('scratch', 'not part of the trail');

CREATE TABLE odd (
  id int PRIMARY KEY,
  number numeric,
  float float8,
  at timestamptz,
  day date,
  list int[],
  doc json
);
SELECT ashlar.audited('odd', entity => 'odd', entity_id => 'id');
