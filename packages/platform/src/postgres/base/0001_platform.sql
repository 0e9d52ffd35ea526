-- Tables and functions that every database of an Ashlar has.
-- The migrator sets ashlar.publication and ashlar.runtime_role before each file.

-- How each table of the schema public is accounted for; the change reader takes its instructions from here.
CREATE TABLE ashlar.tables (
  table_name text PRIMARY KEY,
  entity text,
  entity_id text,
  person text,
  personal text[] NOT NULL DEFAULT '{}',
  columns text[],
  technical_reason text,
  CHECK ((technical_reason IS NULL) = (entity IS NOT NULL)),
  CHECK ((entity IS NULL) = (entity_id IS NULL)),
  CHECK (personal = '{}' OR person IS NOT NULL)
);

-- Says who it was when a statement changes an audited table in a transaction that no unit of work opened.
CREATE FUNCTION ashlar.attribute_direct_sql() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF current_setting('ashlar.mark', true) IS DISTINCT FROM pg_current_xact_id()::text THEN
    PERFORM pg_logical_emit_message(true, 'ashlar.audit', json_build_object(
      'actor', json_build_object('type', 'database', 'id', session_user),
      'applicationName', current_setting('application_name'),
      'clientAddress', host(inet_client_addr()),
      'sessionUser', session_user)::text);
    PERFORM set_config('ashlar.mark', pg_current_xact_id()::text, true);
  END IF;
  RETURN NULL;
END $$;

-- The columns of a table's primary key, in its order; none when there is no key.
CREATE FUNCTION ashlar.primary_key(relation regclass) RETURNS text[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce(array_agg(a.attname::text ORDER BY array_position(i.indkey::int2[], a.attnum)), '{}')
  FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
  WHERE i.indrelid = relation AND i.indisprimary
$$;

CREATE FUNCTION ashlar.require_columns(relation regclass, wanted text[]) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  missing text;
BEGIN
  SELECT string_agg(w, ', ') INTO missing FROM unnest(wanted) AS w
  WHERE w IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM pg_attribute WHERE attrelid = relation AND attname = w AND attnum > 0 AND NOT attisdropped);
  IF missing IS NOT NULL THEN
    RAISE EXCEPTION 'table % has no column %', relation, missing;
  END IF;
END $$;

-- Every change of the table goes into the trail. Without `columns`: all columns, old and new. With `columns`: a
-- classified table, of which only these (the primary key among them) ever enter the change stream.
CREATE FUNCTION ashlar.audited(
  table_name text, entity text, entity_id text,
  person text DEFAULT NULL, personal text[] DEFAULT '{}', columns text[] DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  relation regclass := format('public.%I', table_name)::regclass;
  publication text := nullif(current_setting('ashlar.publication', true), '');
  key text[] := ashlar.primary_key(relation);
  listed text := '';
BEGIN
  IF publication IS NULL THEN
    RAISE EXCEPTION 'ashlar.publication is not set: run this through the migrator';
  END IF;
  IF key = '{}' THEN
    RAISE EXCEPTION 'table % needs a primary key to be audited', table_name;
  END IF;
  PERFORM ashlar.require_columns(relation, ARRAY[entity_id, person] || personal || coalesce(columns, '{}'));
  IF columns IS NOT NULL THEN
    IF NOT columns @> (key || ARRAY[entity_id] || personal || array_remove(ARRAY[person], NULL)) THEN
      RAISE EXCEPTION 'the columns of % must hold its primary key and every column that is named', table_name;
    END IF;
    SELECT ' (' || string_agg(quote_ident(c), ', ') || ')' INTO listed FROM unnest(columns) AS c;
  END IF;

  EXECUTE format('ALTER TABLE %s REPLICA IDENTITY %s', relation, CASE WHEN columns IS NULL THEN 'FULL' ELSE 'DEFAULT' END);
  IF NOT EXISTS (SELECT 1 FROM pg_publication WHERE pubname = publication) THEN
    EXECUTE format('CREATE PUBLICATION %I WITH (publish = ''insert, update, delete, truncate'')', publication);
  END IF;
  IF EXISTS (SELECT 1 FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
             WHERE p.pubname = publication AND r.prrelid = relation) THEN
    EXECUTE format('ALTER PUBLICATION %I DROP TABLE %s', publication, relation);
  END IF;
  EXECUTE format('ALTER PUBLICATION %I ADD TABLE %s%s', publication, relation, listed);

  EXECUTE format('CREATE OR REPLACE TRIGGER ashlar_attribution BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON %s '
    'FOR EACH STATEMENT EXECUTE FUNCTION ashlar.attribute_direct_sql()', relation);
  -- ALWAYS: a session that sets session_replication_role skips ordinary triggers.
  EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER ashlar_attribution', relation);

  INSERT INTO ashlar.tables AS t (table_name, entity, entity_id, person, personal, columns)
  VALUES (audited.table_name, audited.entity, audited.entity_id, audited.person, audited.personal, audited.columns)
  ON CONFLICT ON CONSTRAINT tables_pkey DO UPDATE SET
    entity = excluded.entity, entity_id = excluded.entity_id, person = excluded.person,
    personal = excluded.personal, columns = excluded.columns, technical_reason = NULL;
END $$;

-- The table stays out of the trail, for a reason that a reviewer can read.
CREATE FUNCTION ashlar.technical(table_name text, reason text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM format('public.%I', table_name)::regclass;
  IF coalesce(trim(reason), '') = '' THEN
    RAISE EXCEPTION 'why is % technical?', table_name;
  END IF;
  INSERT INTO ashlar.tables AS t (table_name, technical_reason) VALUES (technical.table_name, technical.reason)
  ON CONFLICT ON CONSTRAINT tables_pkey DO UPDATE SET
    technical_reason = excluded.technical_reason, entity = NULL, entity_id = NULL, person = NULL,
    personal = '{}', columns = NULL;
END $$;

-- Takes from the service's own role what it must never do: change or remove rows.
CREATE FUNCTION ashlar.append_only(table_name text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON %s FROM %I',
    format('public.%I', table_name)::regclass, current_setting('ashlar.runtime_role'));
END $$;

-- Tables of schema public that were declared neither audited nor technical.
CREATE VIEW ashlar.undeclared AS
  SELECT c.relname::text AS table_name FROM pg_class c
  WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    AND NOT EXISTS (SELECT 1 FROM ashlar.tables t WHERE t.table_name = c.relname);

CREATE TABLE outbox (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  event_id uuid NOT NULL,
  -- json, not jsonb: the text is passed on as it was written.
  envelope json NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- Why the bus will not have it. Such a row stays for its operator and holds up nobody.
  refused text
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
SELECT ashlar.technical('outbox', 'events on their way; rows leave when the bus has confirmed them');

CREATE TABLE inbox (
  subscription text NOT NULL,
  event_id uuid NOT NULL,
  handled_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (subscription, event_id)
);
CREATE INDEX inbox_by_age ON inbox USING brin (handled_at);
SELECT ashlar.technical('inbox', 'which events were handled; their effects are audited where they land');

CREATE TABLE idempotency_keys (
  scope text NOT NULL,
  key text NOT NULL,
  fingerprint text NOT NULL,
  state text NOT NULL CHECK (state IN ('running', 'done')),
  owner uuid,
  lease_until timestamptz,
  status int,
  headers jsonb,
  body bytea,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
SELECT ashlar.technical('idempotency_keys', 'answers kept for repeats; what they caused is audited where it lands');
