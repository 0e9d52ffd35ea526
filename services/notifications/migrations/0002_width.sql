-- The texts of mails, one row per version. A version never changes: a queued message names the one it is made from.
CREATE TABLE templates (
  name       text NOT NULL,
  version    integer NOT NULL CHECK (version > 0),
  subject    text NOT NULL,
  html       text NOT NULL,
  text       text NOT NULL,
  -- {"amount": "required", "firstName": "optional"}
  variables  jsonb NOT NULL,
  origin     text NOT NULL CHECK (origin IN ('built-in', 'own')),
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (name, version)
);

-- Addresses that get no mail. The hash alone holds the suppression; address and reason are sealed, and may be erased.
CREATE TABLE suppressions (
  id           uuid PRIMARY KEY,
  address_hash text NOT NULL UNIQUE,
  sealed       bytea,
  source       text NOT NULL CHECK (source IN ('bounce', 'operator')),
  created_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX suppressions_newest ON suppressions (created_at DESC, id DESC);

-- Whose turn it is, by address and template: each message that is not urgent holds one slot of time.
CREATE TABLE mail_rates (
  address_hash text NOT NULL,
  template     text NOT NULL,
  -- The first slot that nobody holds.
  next_at      timestamptz NOT NULL,
  -- Whether the last message that asked for a slot got one.
  admitted     boolean NOT NULL DEFAULT true,
  -- The message that was handed over last, and when.
  held_by      uuid,
  held_at      timestamptz,
  PRIMARY KEY (address_hash, template)
) WITH (fillfactor = 70);
CREATE INDEX mail_rates_age ON mail_rates (next_at);

-- What happened to a message after it was queued, one row per end of a try and per decision of somebody.
CREATE TABLE notification_steps (
  notification_id uuid NOT NULL,
  number          bigint GENERATED ALWAYS AS IDENTITY,
  step            text NOT NULL CHECK (step IN ('sent', 'failed', 'deferred', 'suppressed', 'unknown', 'requeued', 'resent')),
  attempt         integer,
  reason          text,
  began_at        timestamptz,
  handed_at       timestamptz,
  at              timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (notification_id, number)
);

ALTER TABLE notifications ADD COLUMN claimed_at timestamptz;
CREATE INDEX notifications_newest ON notifications (created_at DESC, id DESC) INCLUDE (status, template, settled_at);
CREATE INDEX notifications_of_status ON notifications (status, created_at DESC, id DESC) WHERE status <> 'sent';
CREATE INDEX notifications_of_template ON notifications (template, created_at DESC, id DESC);
CREATE INDEX notifications_of_recipient ON notifications (recipient, created_at DESC, id DESC);

ALTER TABLE notification_contents
  -- 1: the rendered texts; 2: what the texts are rendered from.
  ADD COLUMN format       smallint NOT NULL DEFAULT 1,
  ADD COLUMN address_hash text,
  -- After it the message is of no use, however often somebody sends it again.
  ADD COLUMN expires_at   timestamptz;
CREATE INDEX notification_contents_of_address ON notification_contents (address_hash);

CREATE INDEX contacts_of_address ON contacts (email);
CREATE INDEX mailbox_of_notification ON mailbox (notification_id);

SELECT ashlar.audited('templates', entity => 'template', entity_id => 'name');
SELECT ashlar.append_only('templates');
-- Who is suppressed is said by the sealed column, which stays out: an address in the trail could not be erased.
SELECT ashlar.audited('suppressions', entity => 'suppression', entity_id => 'id',
                      columns => ARRAY['id', 'source', 'created_at']);
SELECT ashlar.technical('mail_rates', 'slots of time by hashed address; what they decide shows in notifications');
SELECT ashlar.technical('notification_steps', 'the timeline of messages; the changes of notifications tell the same in the trail');
SELECT ashlar.append_only('notification_steps');
