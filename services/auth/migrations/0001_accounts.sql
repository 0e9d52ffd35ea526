-- People, what proves them, what they may do, and where they are signed in.
-- An e-mail is stored in its one normal form (trimmed, NFC, lower case, domain in IDNA form); the program makes it.
CREATE TABLE users (
  id                 uuid PRIMARY KEY,
  email              text NOT NULL UNIQUE CHECK (octet_length(email) <= 254),
  first_name         text CHECK (char_length(first_name) <= 100),
  last_name          text CHECK (char_length(last_name) <= 100),
  is_active          boolean NOT NULL DEFAULT true,
  email_verified_at  timestamptz,
  created_at         timestamptz NOT NULL,
  updated_at         timestamptz NOT NULL,
  version            integer NOT NULL DEFAULT 1 CHECK (version >= 1)
);

CREATE TABLE credentials (
  user_id        uuid PRIMARY KEY REFERENCES users (id),
  password_hash  text NOT NULL,
  changed_at     timestamptz NOT NULL
);

-- One row per link that was sent. A stranger may register an address that is not his: his hash and names stay
-- beside his own link, and only the link that is used makes its row count.
CREATE TABLE registrations (
  id             uuid PRIMARY KEY,
  user_id        uuid NOT NULL REFERENCES users (id),
  link_hash      bytea NOT NULL UNIQUE,
  password_hash  text NOT NULL,
  first_name     text,
  last_name      text,
  created_at     timestamptz NOT NULL,
  expires_at     timestamptz NOT NULL
);
CREATE INDEX registrations_of_user ON registrations (user_id, created_at DESC, id DESC);
CREATE INDEX registrations_by_age ON registrations (created_at);

CREATE TABLE reset_tokens (
  token_hash  bytea PRIMARY KEY,
  user_id     uuid NOT NULL REFERENCES users (id),
  created_at  timestamptz NOT NULL,
  expires_at  timestamptz NOT NULL
);
CREATE INDEX reset_tokens_of_user ON reset_tokens (user_id);

CREATE TABLE roles (
  name        text PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9_-]{0,62}$'),
  built_in    boolean NOT NULL DEFAULT false,
  created_at  timestamptz NOT NULL,
  updated_at  timestamptz NOT NULL
);

CREATE TABLE role_permissions (
  role        text NOT NULL REFERENCES roles (name) ON DELETE CASCADE,
  permission  text NOT NULL CHECK (permission ~ '^[a-z][a-z0-9_-]*(:[a-z][a-z0-9_-]*)+$'),
  PRIMARY KEY (role, permission)
);

CREATE TABLE user_roles (
  user_id  uuid NOT NULL REFERENCES users (id),
  role     text NOT NULL REFERENCES roles (name),
  PRIMARY KEY (user_id, role)
);
CREATE INDEX user_roles_by_role ON user_roles (role);

-- `rights_version` goes up when the rights of the session's user change: access tokens of a lower one are stale.
CREATE TABLE sessions (
  id                   uuid PRIMARY KEY,
  user_id              uuid NOT NULL REFERENCES users (id),
  amr                  text[] NOT NULL,
  auth_time            timestamptz NOT NULL,
  ip_address           text,
  user_agent           text,
  rights_version       integer NOT NULL DEFAULT 1,
  created_at           timestamptz NOT NULL,
  absolute_expires_at  timestamptz NOT NULL,
  ended_at             timestamptz,
  end_reason           text,
  CONSTRAINT sessions_end_with_a_reason CHECK ((ended_at IS NULL) = (end_reason IS NULL))
);
CREATE INDEX sessions_of_user ON sessions (user_id, created_at DESC, id DESC);
CREATE INDEX sessions_by_end ON sessions (absolute_expires_at);

-- A consumed token stays until its session's absolute expiry, so that a second use is told from garbage. Its
-- successor is readable only to whoever holds the token itself, and only while the grace lasts.
CREATE TABLE refresh_tokens (
  token_hash        bytea PRIMARY KEY,
  session_id        uuid NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
  predecessor_hash  bytea,
  created_at        timestamptz NOT NULL,
  expires_at        timestamptz NOT NULL,
  consumed_at       timestamptz,
  successor_hash    bytea,
  successor_sealed  bytea,
  CONSTRAINT refresh_tokens_have_one_successor CHECK ((consumed_at IS NULL) = (successor_hash IS NULL))
);
CREATE INDEX refresh_tokens_of_session ON refresh_tokens (session_id);
-- One lineage per session, whatever the code above does.
CREATE UNIQUE INDEX refresh_tokens_newest ON refresh_tokens (session_id) WHERE consumed_at IS NULL;
CREATE INDEX refresh_tokens_with_open_successor ON refresh_tokens (consumed_at) WHERE successor_sealed IS NOT NULL;

-- `revocation_head` is locked by whoever gives out the next sequence until he commits: sequences become visible
-- in their order, so a reader that has seen one has seen all before it.
CREATE TABLE revocation_head (
  is_only   boolean PRIMARY KEY DEFAULT true CHECK (is_only),
  sequence  bigint NOT NULL
);
INSERT INTO revocation_head (sequence) VALUES (0);

CREATE TABLE revocations (
  sequence        bigint PRIMARY KEY,
  session_id      uuid NOT NULL,
  kind            text NOT NULL CHECK (kind IN ('revoked', 'stale')),
  rights_version  integer NOT NULL,
  expires_at      timestamptz NOT NULL
);
CREATE INDEX revocations_by_expiry ON revocations (expires_at);

-- Signs from `not_before` on; is published from the first day, so that verifiers know it before it signs, until
-- `expires_at` (null: no end is planned).
CREATE TABLE signing_keys (
  kid             text PRIMARY KEY,
  algorithm       text NOT NULL CHECK (algorithm = 'ES256'),
  public_jwk      jsonb NOT NULL,
  private_sealed  bytea NOT NULL,
  not_before      timestamptz NOT NULL,
  expires_at      timestamptz,
  created_at      timestamptz NOT NULL
);

SELECT ashlar.audited('users', entity => 'user', entity_id => 'id',
  person => 'id', personal => ARRAY['email', 'first_name', 'last_name']);
SELECT ashlar.audited('credentials', entity => 'user', entity_id => 'user_id',
  columns => ARRAY['user_id', 'changed_at']);
SELECT ashlar.audited('user_roles', entity => 'user', entity_id => 'user_id');
SELECT ashlar.audited('roles', entity => 'role', entity_id => 'name');
SELECT ashlar.audited('role_permissions', entity => 'role', entity_id => 'role');
SELECT ashlar.audited('sessions', entity => 'session', entity_id => 'id',
  person => 'user_id', personal => ARRAY['ip_address', 'user_agent']);
SELECT ashlar.technical('registrations', 'unproven claims with their password hashes; the user tells what came of them');
SELECT ashlar.technical('reset_tokens', 'hashed one-time links; credentials tell the story');
SELECT ashlar.technical('refresh_tokens', 'hashed tokens; sessions tell the story');
SELECT ashlar.technical('revocation_head', 'the last sequence that was given');
SELECT ashlar.technical('revocations', 'news for verifiers, kept for a token''s life; sessions tell the story');
SELECT ashlar.technical('signing_keys', 'sealed private keys');
