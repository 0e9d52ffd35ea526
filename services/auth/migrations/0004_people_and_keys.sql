-- Lists of people: newest first, by the beginning of an address, by being deactivated. Those of a role are found by
-- user_roles_by_role.
CREATE INDEX users_by_age ON users (created_at DESC, id DESC);
CREATE INDEX users_deactivated_by_age ON users (created_at DESC, id DESC) WHERE NOT is_active;
CREATE INDEX users_by_beginning_of_email ON users (email text_pattern_ops);

-- The revocation by which the role changed last. An access token carries the highest one of its roles: a lower one
-- than that of a role which it names is stale. So a change costs one row, however many people hold the role.
ALTER TABLE roles ADD COLUMN rights_version bigint NOT NULL DEFAULT 0;

ALTER TABLE revocations
  ADD COLUMN role text,
  ALTER COLUMN session_id DROP NOT NULL,
  DROP CONSTRAINT revocations_kind_check,
  ADD CONSTRAINT revocations_kind_check CHECK (kind IN ('revoked', 'stale', 'role')),
  ADD CONSTRAINT revocations_concern_one CHECK (
    CASE WHEN kind = 'role' THEN role IS NOT NULL AND session_id IS NULL ELSE role IS NULL AND session_id IS NOT NULL END);

-- Who rotated the keys belongs into the trail; the private part never enters the change stream.
SELECT ashlar.audited('signing_keys', entity => 'signing_key', entity_id => 'kid',
  columns => ARRAY['kid', 'algorithm', 'public_jwk', 'not_before', 'expires_at', 'created_at']);

-- Sessions leave a while after their end, whichever end that was.
CREATE INDEX sessions_by_retention ON sessions ((coalesce(ended_at, absolute_expires_at)));
