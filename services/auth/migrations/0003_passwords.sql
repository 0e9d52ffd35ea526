-- What somebody asked for an address before anybody looked whether it has an account: the answer has gone out, and
-- a worker does the rest. A row lives for less than a second, or until whoever crashed is started again.
CREATE TABLE address_requests (
  id            uuid PRIMARY KEY,
  kind          text NOT NULL CHECK (kind IN ('password_forgot', 'verification_resend')),
  email         text NOT NULL CHECK (octet_length(email) <= 254),
  context       jsonb NOT NULL,
  requested_at  timestamptz NOT NULL
);

-- One row per mail with a link or a notice that an address got, by the keyed hash of the address: whoever deletes his
-- account and comes back finds his count again, and nobody reads an address here.
CREATE TABLE mailed_links (
  id            uuid PRIMARY KEY,
  address_hash  text NOT NULL,
  kind          text NOT NULL,
  mailed_at     timestamptz NOT NULL
);
CREATE INDEX mailed_links_of_address ON mailed_links (address_hash, kind, mailed_at);
CREATE INDEX mailed_links_by_age ON mailed_links (mailed_at);

-- The beginnings of foreign hashes that came with imports (`$2b$10$`): as long as one of a kind is stored, every
-- failed sign-in costs a check of that kind, so that time does not tell who has such a hash.
CREATE TABLE password_hash_kinds (
  prefix    text PRIMARY KEY,
  added_at  timestamptz NOT NULL
);
CREATE INDEX credentials_foreign ON credentials (password_hash COLLATE "C")
  WHERE password_hash NOT LIKE '$argon2id$v=19$m=19456,t=2,p=1$%';
CREATE INDEX registrations_foreign ON registrations (password_hash COLLATE "C")
  WHERE password_hash NOT LIKE '$argon2id$v=19$m=19456,t=2,p=1$%';

SELECT ashlar.technical('address_requests', 'requests on their way to a worker; what comes of them is audited where it lands');
SELECT ashlar.technical('mailed_links', 'how many mails an address got within a day, by keyed hash');
SELECT ashlar.technical('password_hash_kinds', 'which kinds of foreign hashes are stored; credentials tell the story');
