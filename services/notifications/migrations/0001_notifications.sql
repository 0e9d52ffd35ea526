-- One row per message. It holds no address and no word of the message: those are sealed in notification_contents,
-- so that erasing them there erases them everywhere, the audit trail included.
CREATE TABLE notifications (
  id               uuid PRIMARY KEY,
  trigger_id       uuid NOT NULL,
  channel          text NOT NULL CHECK (channel IN ('email')),
  template         text NOT NULL,
  template_version integer NOT NULL CHECK (template_version > 0),
  user_id          uuid,
  -- 'user:<id>' where the recipient has an account, else 'address:<keyed hash>'.
  recipient        text NOT NULL CHECK (recipient LIKE 'user:%' OR recipient LIKE 'address:%'),
  urgent           boolean NOT NULL,
  message_id       text NOT NULL UNIQUE,
  status           text NOT NULL CHECK (status IN ('queued', 'sending', 'sent', 'failed', 'suppressed', 'unknown')),
  reason           text,
  attempts         integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  request_id       text NOT NULL,
  traceparent      text NOT NULL,
  created_at       timestamptz NOT NULL DEFAULT now(),
  next_attempt_at  timestamptz NOT NULL DEFAULT now(),
  deadline_at      timestamptz NOT NULL,
  claimed_by       uuid,
  claim_until      timestamptz,
  settled_at       timestamptz,
  -- One trigger makes at most one message per recipient, channel and template, however often it is delivered.
  CONSTRAINT notifications_once UNIQUE (trigger_id, recipient, channel, template),
  CONSTRAINT notifications_claim CHECK ((status = 'sending') <= (claimed_by IS NOT NULL AND claim_until IS NOT NULL))
);
CREATE INDEX notifications_due ON notifications (urgent, next_attempt_at) WHERE status = 'queued';
CREATE INDEX notifications_open ON notifications (status, settled_at) WHERE status IN ('sending', 'unknown');
CREATE INDEX notifications_of_user ON notifications (user_id, created_at DESC, id DESC);

CREATE TABLE notification_contents (
  notification_id uuid PRIMARY KEY REFERENCES notifications (id) ON DELETE CASCADE,
  sealed          bytea NOT NULL,
  created_at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX notification_contents_age ON notification_contents (created_at);

-- This service's own copy of where people are reached. A row without an address is a person who was deleted: nothing
-- is sent to him, and nothing waits for his address either.
CREATE TABLE contacts (
  user_id    uuid PRIMARY KEY,
  email      text,
  first_name text,
  last_name  text,
  updated_at timestamptz NOT NULL DEFAULT now()
);

-- The mailbox of development: what the `mailbox` mailer was handed. A second hand-over of a message raises the counter.
CREATE TABLE mailbox (
  message_id      text PRIMARY KEY,
  id              uuid NOT NULL UNIQUE,
  notification_id uuid NOT NULL,
  template        text NOT NULL,
  to_hash         text NOT NULL,
  sealed          bytea NOT NULL,
  hand_overs      integer NOT NULL DEFAULT 1 CHECK (hand_overs > 0),
  sent_at         timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX mailbox_newest ON mailbox (sent_at DESC, id DESC);
CREATE INDEX mailbox_to ON mailbox (to_hash, sent_at DESC, id DESC);

SELECT ashlar.audited('notifications', entity => 'notification', entity_id => 'id');
SELECT ashlar.audited('contacts', entity => 'user', entity_id => 'user_id', person => 'user_id',
                      personal => ARRAY['email', 'first_name', 'last_name']);
SELECT ashlar.technical('notification_contents', 'sealed words and addresses of messages, dropped after 30 days; notifications tell the story');
SELECT ashlar.technical('mailbox', 'stands in for a mail server in development');
