-- The trail in monthly partitions by `recorded_at`, which grows within a chain: a month of a chain is one piece of it,
-- and the months behind it can be archived. No index of a partitioned table holds an id or a sequence unique across
-- its months; `entry_places` does, also for months that are archived, so what is read again is still known.
SET LOCAL timezone = 'UTC';

CREATE TABLE entry_places (
  id uuid PRIMARY KEY,
  chain text NOT NULL,
  sequence bigint NOT NULL,
  UNIQUE (chain, sequence)
);
INSERT INTO entry_places (id, chain, sequence) SELECT id, chain, sequence FROM entries;
SELECT ashlar.technical('entry_places', 'which ids and sequences are taken; the entries themselves are the trail');
DO $$ BEGIN
  EXECUTE format('REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON entry_places FROM %I', current_setting('ashlar.runtime_role'));
END $$;

-- Which partitions there are, and for an archived one the signed statement of what was in it.
CREATE TABLE trail_months (
  name text PRIMARY KEY,
  lower timestamptz NOT NULL,
  upper timestamptz NOT NULL,
  segment json,
  CHECK (lower < upper)
);
SELECT ashlar.technical('trail_months', 'partitions of the trail; what was archived is signed');
DO $$ BEGIN
  EXECUTE format('REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON trail_months FROM %I', current_setting('ashlar.runtime_role'));
END $$;

-- What is there by now becomes the first partition, up to the end of this month; nothing is copied.
DO $$
DECLARE
  latest timestamptz;
  upper timestamptz;
  first text;
  owned record;
BEGIN
  SELECT max(recorded_at) INTO latest FROM entries;
  upper := date_trunc('month', greatest(now(), latest)) + interval '1 month';
  first := 'entries_until_' || to_char(upper - interval '1 day', 'YYYY_MM');

  FOR owned IN SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
               WHERE i.indrelid = 'public.entries'::regclass LOOP
    EXECUTE format('ALTER INDEX public.%I RENAME TO %I', owned.relname, 'first_' || owned.relname);
  END LOOP;
  EXECUTE format('ALTER TABLE public.entries RENAME TO %I', first);
  EXECUTE format('ALTER TABLE public.%I DROP CONSTRAINT first_entries_pkey', first);
  EXECUTE format('CREATE TABLE public.entries (LIKE public.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS) '
    'PARTITION BY RANGE (recorded_at)', first);
  ALTER TABLE public.entries ADD PRIMARY KEY (chain, sequence, recorded_at);

  IF latest IS NULL THEN
    EXECUTE format('DROP TABLE public.%I', first);
  ELSE
    EXECUTE format('ALTER TABLE public.entries ATTACH PARTITION public.%I FOR VALUES FROM (MINVALUE) TO (%L)', first, upper);
    EXECUTE format('REVOKE ALL ON public.%I FROM %I', first, current_setting('ashlar.runtime_role'));
    INSERT INTO public.trail_months (name, lower, upper) VALUES (first, '-infinity', upper);
  END IF;
END $$;
CREATE INDEX entries_by_time ON entries (recorded_at, id);
CREATE INDEX entries_by_actor ON entries ((actor ->> 'id'), recorded_at, id);
CREATE INDEX entries_by_action ON entries (action, recorded_at, id);
CREATE INDEX entries_by_entity ON entries (entity, recorded_at, id);
CREATE INDEX entries_by_entity_id ON entries (entity_id, recorded_at, id);
CREATE INDEX entries_by_service ON entries (service, recorded_at, id);
CREATE INDEX entries_by_request ON entries ((context ->> 'requestId'), recorded_at, id)
  WHERE context ->> 'requestId' IS NOT NULL;
SELECT ashlar.append_only('entries');

-- For a time that no partition was made for: what lands here is moved when its month is made.
CREATE TABLE entries_default PARTITION OF entries DEFAULT;
DO $$ BEGIN
  EXECUTE format('REVOKE ALL ON entries_default FROM %I', current_setting('ashlar.runtime_role'));
END $$;

CREATE FUNCTION ashlar.take_entry_places() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO public.entry_places (id, chain, sequence) SELECT id, chain, sequence FROM added;
  RETURN NULL;
END $$;
CREATE TRIGGER take_places AFTER INSERT ON entries
  REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ashlar.take_entry_places();

-- Only an administrator can delete; a place that he emptied can be taken again, and the chain tells what he did.
CREATE FUNCTION ashlar.give_entry_places() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF tg_op = 'DELETE' THEN
    DELETE FROM public.entry_places p USING removed r WHERE p.id = r.id;
  ELSE
    DELETE FROM public.entry_places p WHERE p.sequence > coalesce(
      (SELECT max((m.segment -> 'chains' -> p.chain ->> 'to')::bigint) FROM public.trail_months m), 0);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER give_places AFTER DELETE ON entries
  REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION ashlar.give_entry_places();
CREATE TRIGGER give_all_places AFTER TRUNCATE ON entries FOR EACH STATEMENT EXECUTE FUNCTION ashlar.give_entry_places();

-- Makes the partition of the month that holds `at`, unless one covers it, and moves there what had to wait in the
-- default partition. Built beside the trail and attached, so that readers and writers hardly wait.
CREATE FUNCTION ashlar.ensure_trail_month(at timestamptz) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET lock_timeout = '2s' AS $$
DECLARE
  month timestamptz := date_trunc('month', at);
  made text := 'entries_' || to_char(month, 'YYYY_MM');
  covering text;
  grantee oid;
BEGIN
  SELECT m.name INTO covering FROM public.trail_months m WHERE m.lower <= at AND at < m.upper;
  IF covering IS NOT NULL THEN
    RETURN covering;
  END IF;
  LOCK TABLE public.trail_months IN SHARE ROW EXCLUSIVE MODE;
  SELECT m.name INTO covering FROM public.trail_months m WHERE m.lower <= at AND at < m.upper;
  IF covering IS NOT NULL THEN
    RETURN covering;
  END IF;
  LOCK TABLE public.entries_default IN ACCESS EXCLUSIVE MODE;
  EXECUTE format('CREATE TABLE public.%I (LIKE public.entries INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', made);
  EXECUTE format('WITH moved AS (DELETE FROM public.entries_default WHERE recorded_at >= $1 AND recorded_at < $2 RETURNING *) '
    'INSERT INTO public.%I SELECT * FROM moved', made) USING month, month + interval '1 month';
  EXECUTE format('ALTER TABLE public.entries ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)',
    made, month, month + interval '1 month');
  -- Rights are given on the whole trail alone: by itself a partition could be changed behind it.
  FOR grantee IN SELECT DISTINCT a.grantee FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a
                 WHERE c.oid = format('public.%I', made)::regclass AND a.grantee NOT IN (0, c.relowner) LOOP
    EXECUTE format('REVOKE ALL ON public.%I FROM %s', made, grantee::regrole);
  END LOOP;
  INSERT INTO public.trail_months (name, lower, upper) VALUES (made, month, month + interval '1 month');
  RETURN made;
END $$;
REVOKE ALL ON FUNCTION ashlar.ensure_trail_month(timestamptz) FROM PUBLIC;
DO $$ BEGIN
  EXECUTE format('GRANT EXECUTE ON FUNCTION ashlar.ensure_trail_month(timestamptz) TO %I', current_setting('ashlar.runtime_role'));
END $$;

-- A destroyed key must not lie about as a dead row: vacuumed at the next round, not when a fifth of all has changed.
ALTER TABLE person_keys SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1);
