-- Events of a provider's webhooks that had an effect; the row commits together with it.
CREATE TABLE provider_events (
  provider     text NOT NULL,
  event_id     text NOT NULL,
  received_at  timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (provider, event_id)
);
CREATE INDEX provider_events_by_age ON provider_events USING brin (received_at);
SELECT ashlar.technical('provider_events', 'which webhooks were heard; their effects are audited where they land');
