-- The trail. Its own tables are not captured: the trail of the trail is its hash chain and its checkpoints.

CREATE TABLE entries (
  id uuid NOT NULL UNIQUE,
  chain text NOT NULL,
  sequence bigint NOT NULL CHECK (sequence > 0),
  service text NOT NULL,
  entity text NOT NULL,
  entity_id text,
  action text NOT NULL CHECK (action IN ('insert', 'update', 'delete', 'truncate', 'event', 'snapshot', 'gap')),
  -- json, not jsonb: these texts are what was hashed, and jsonb refuses some of what a source may hold.
  before json,
  after json,
  changed jsonb NOT NULL,
  actor jsonb NOT NULL,
  context jsonb NOT NULL,
  source jsonb NOT NULL,
  recorded_at timestamptz NOT NULL,
  previous_hash text NOT NULL,
  hash text NOT NULL,
  PRIMARY KEY (chain, sequence)
);
CREATE INDEX entries_by_time ON entries (recorded_at, id);
CREATE INDEX entries_by_actor ON entries ((actor ->> 'id'), recorded_at, id);
CREATE INDEX entries_by_action ON entries (action, recorded_at, id);
CREATE INDEX entries_by_entity ON entries (entity, recorded_at, id);
CREATE INDEX entries_by_entity_id ON entries (entity_id, recorded_at, id);
CREATE INDEX entries_by_service ON entries (service, recorded_at, id);
CREATE INDEX entries_by_request ON entries ((context ->> 'requestId'), recorded_at, id)
  WHERE context ->> 'requestId' IS NOT NULL;
SELECT ashlar.technical('entries', 'the trail itself, proven by its hash chain');
SELECT ashlar.append_only('entries');

-- Values and salts behind the commitments of an entry, under the key of the person they are about.
CREATE TABLE sealed_fields (
  entry_id uuid NOT NULL,
  person text NOT NULL,
  sealed bytea NOT NULL,
  PRIMARY KEY (entry_id, person)
);
SELECT ashlar.technical('sealed_fields', 'proven by the commitments of the entries');
SELECT ashlar.append_only('sealed_fields');

-- Destroying `wrapped` erases the person from the trail; the row stays, so that no new key is made.
CREATE TABLE person_keys (
  person text PRIMARY KEY,
  wrapped bytea,
  created_at timestamptz NOT NULL DEFAULT now(),
  erased_at timestamptz,
  CHECK ((wrapped IS NULL) = (erased_at IS NOT NULL))
);
SELECT ashlar.technical('person_keys', 'wrapped keys; who was erased is told by the entries of users');

CREATE TABLE checkpoints (
  chain text NOT NULL,
  number bigint NOT NULL,
  from_sequence bigint NOT NULL,
  to_sequence bigint NOT NULL,
  hash text NOT NULL,
  witness_hash text NOT NULL,
  previous text NOT NULL,
  at text NOT NULL,
  key text NOT NULL,
  signature text NOT NULL,
  witness bytea NOT NULL,
  PRIMARY KEY (chain, number)
);
SELECT ashlar.technical('checkpoints', 'signed; the file beside the store is their witness');
SELECT ashlar.append_only('checkpoints');

-- How far each source is stored. Written together with its entries.
CREATE TABLE positions (
  chain text PRIMARY KEY,
  epoch text NOT NULL,
  lsn text NOT NULL,
  phase text NOT NULL CHECK (phase IN ('snapshot', 'stream')),
  updated_at timestamptz NOT NULL DEFAULT now()
);
SELECT ashlar.technical('positions', 'how far the sources are stored');
