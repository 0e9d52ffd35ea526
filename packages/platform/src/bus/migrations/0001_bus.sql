-- The event log, its readers, and what they could not handle yet.

-- Its row is the gate through which positions are given.
CREATE TABLE topics (
  name text PRIMARY KEY,
  position bigint NOT NULL
) WITH (fillfactor = 10);
INSERT INTO topics VALUES ('events', 0);
SELECT ashlar.technical('topics', 'the last position of the log');

CREATE TABLE events (
  position bigint PRIMARY KEY,
  event_id uuid NOT NULL UNIQUE,
  type text NOT NULL,
  key text NOT NULL,
  envelope json NOT NULL,
  appended_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
SELECT ashlar.technical('events', 'copies of events; what they tell is audited in its own database');

CREATE TABLE subscriptions (
  name text PRIMARY KEY,
  -- Who reads through it: the row policies below show a role its own subscriptions only.
  role name NOT NULL DEFAULT current_user,
  types text[] NOT NULL,
  position bigint NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 20);
SELECT ashlar.technical('subscriptions', 'positions of readers');

-- Events that left the log's order for one subscription: of each key the first is `retrying` or `dead`, all later
-- ones are `waiting`. A `discarded` one stays until the log behind it is pruned, so that it is never handled again.
CREATE TABLE deliveries (
  subscription text NOT NULL REFERENCES subscriptions ON DELETE CASCADE,
  position bigint NOT NULL,
  role name NOT NULL DEFAULT current_user,
  event_id uuid NOT NULL,
  key text NOT NULL,
  envelope json NOT NULL,
  state text NOT NULL CHECK (state IN ('retrying', 'waiting', 'dead', 'discarded')),
  attempts int NOT NULL DEFAULT 0,
  next_attempt_at timestamptz,
  first_failed_at timestamptz,
  last_error text,
  dead_at timestamptz,
  discarded_reason text,
  PRIMARY KEY (subscription, position),
  CHECK ((state = 'retrying') = (next_attempt_at IS NOT NULL))
);
CREATE INDEX deliveries_by_key ON deliveries (subscription, key, position) WHERE state <> 'discarded';
CREATE INDEX deliveries_due ON deliveries (subscription, next_attempt_at) WHERE state = 'retrying';
CREATE INDEX deliveries_dead ON deliveries (dead_at) WHERE state = 'dead';
SELECT ashlar.technical('deliveries', 'events being tried again; discarding one is told as an event');

-- Appends what is not there yet. The lock on the topic's row is held until commit, so a position is visible only
-- after all lower ones: a reader may trust its cursor. Runs with its owner's rights: it is all that a relay may do.
CREATE FUNCTION bus_append(ids uuid[], types text[], keys text[], envelopes text[]) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  base bigint;
  added int;
BEGIN
  SELECT t.position INTO STRICT base FROM public.topics t WHERE t.name = 'events' FOR UPDATE;
  INSERT INTO public.events (position, event_id, type, key, envelope)
  SELECT base + e.n, e.id, e.type, e.key, e.envelope::json
  FROM unnest(ids, types, keys, envelopes) WITH ORDINALITY AS e (id, type, key, envelope, n)
  ORDER BY e.n
  ON CONFLICT (event_id) DO NOTHING;
  GET DIAGNOSTICS added = ROW_COUNT;
  UPDATE public.topics SET position = base + cardinality(ids) WHERE name = 'events' AND added > 0;
  RETURN added;
END $$;
REVOKE EXECUTE ON FUNCTION bus_append FROM PUBLIC;

-- Each change of a subscription's deliveries happens under the lock of its row: an operator who discards and a reader
-- who lines an event up behind the discarded one would otherwise leave a queue without a head.
CREATE FUNCTION bus_lock(of_subscription text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM 1 FROM public.subscriptions WHERE name = of_subscription FOR UPDATE;
END $$;

-- The head of a key's queue is gone: the next one is due at once.
CREATE FUNCTION bus_promote(of_subscription text, of_key text) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
  UPDATE public.deliveries SET state = 'retrying', next_attempt_at = clock_timestamp()
  WHERE subscription = of_subscription AND state = 'waiting' AND position = (
    SELECT min(position) FROM public.deliveries
    WHERE subscription = of_subscription AND key = of_key AND state <> 'discarded')
$$;

-- The first failure of an event from the log. Without a delay it is dead.
CREATE FUNCTION bus_fail(of_subscription text, at bigint, id uuid, of_key text, envelope text, error text, delay_ms int)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM public.bus_lock(of_subscription);
  INSERT INTO public.deliveries (subscription, position, event_id, key, envelope, state, attempts, next_attempt_at,
    first_failed_at, last_error, dead_at)
  VALUES (of_subscription, at, id, of_key, envelope::json, CASE WHEN delay_ms IS NULL THEN 'dead' ELSE 'retrying' END, 1,
    clock_timestamp() + delay_ms * interval '1 millisecond', clock_timestamp(), error,
    CASE WHEN delay_ms IS NULL THEN clock_timestamp() END)
  ON CONFLICT DO NOTHING;
END $$;

-- An event from the log whose key is held up: lines it up, and answers its state. `retrying` when nothing is before it
-- any more; the state it has when it was lined up already; `done` when the queue begins behind it: events of a key
-- enter the queue in the order of the log, so one that comes again after a crash was handled before.
CREATE FUNCTION bus_hold(of_subscription text, at bigint, id uuid, of_key text, envelope text) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  answer text;
  head bigint;
BEGIN
  PERFORM public.bus_lock(of_subscription);
  SELECT state INTO answer FROM public.deliveries WHERE subscription = of_subscription AND position = at;
  IF answer IS NOT NULL THEN
    RETURN answer;
  END IF;
  SELECT min(position) INTO head FROM public.deliveries
  WHERE subscription = of_subscription AND key = of_key AND state <> 'discarded';
  IF head > at THEN
    RETURN 'done';
  END IF;
  answer := CASE WHEN head IS NULL THEN 'retrying' ELSE 'waiting' END;
  INSERT INTO public.deliveries (subscription, position, event_id, key, envelope, state, next_attempt_at)
  VALUES (of_subscription, at, id, of_key, envelope::json, answer, CASE answer WHEN 'retrying' THEN clock_timestamp() END);
  RETURN answer;
END $$;

-- The head of a queue was handled.
CREATE FUNCTION bus_settle(of_subscription text, at bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  of_key text;
BEGIN
  PERFORM public.bus_lock(of_subscription);
  DELETE FROM public.deliveries WHERE subscription = of_subscription AND position = at AND state = 'retrying'
  RETURNING key INTO of_key;
  PERFORM public.bus_promote(of_subscription, of_key);
END $$;

-- The head of a queue failed again. Without a delay it is dead.
CREATE FUNCTION bus_fail_again(of_subscription text, at bigint, error text, delay_ms int) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM public.bus_lock(of_subscription);
  UPDATE public.deliveries SET
    attempts = attempts + 1,
    state = CASE WHEN delay_ms IS NULL THEN 'dead' ELSE 'retrying' END,
    next_attempt_at = clock_timestamp() + delay_ms * interval '1 millisecond',
    first_failed_at = coalesce(first_failed_at, clock_timestamp()),
    last_error = error,
    dead_at = CASE WHEN delay_ms IS NULL THEN clock_timestamp() END
  WHERE subscription = of_subscription AND position = at AND state = 'retrying';
END $$;

CREATE FUNCTION bus_redrive(of_subscription text, id uuid) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM public.bus_lock(of_subscription);
  UPDATE public.deliveries SET state = 'retrying', attempts = 0, next_attempt_at = clock_timestamp(), dead_at = NULL
  WHERE subscription = of_subscription AND event_id = id AND state = 'dead';
  RETURN FOUND;
END $$;

CREATE FUNCTION bus_discard(of_subscription text, id uuid, reason text) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  of_key text;
BEGIN
  PERFORM public.bus_lock(of_subscription);
  UPDATE public.deliveries SET state = 'discarded', discarded_reason = reason
  WHERE subscription = of_subscription AND event_id = id AND state = 'dead'
  RETURNING key INTO of_key;
  IF of_key IS NULL THEN
    RETURN false;
  END IF;
  PERFORM public.bus_promote(of_subscription, of_key);
  RETURN true;
END $$;

-- The bus's own role sees everything; a service's role sees the subscriptions that it made.
ALTER TABLE subscriptions ENABLE ROW LEVEL SECURITY;
ALTER TABLE deliveries ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON subscriptions
  USING (role = current_user OR (SELECT has_table_privilege('public.topics', 'UPDATE')));
CREATE POLICY own ON deliveries
  USING (role = current_user OR (SELECT has_table_privilege('public.topics', 'UPDATE')));

DO $$ BEGIN
  EXECUTE format('GRANT EXECUTE ON FUNCTION public.bus_append TO %I', current_setting('ashlar.runtime_role'));
END $$;
