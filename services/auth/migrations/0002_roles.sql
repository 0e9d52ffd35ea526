-- The roles that every Ashlar has. `user` is what everybody is: his own things need no permission.
INSERT INTO roles (name, built_in, created_at, updated_at)
SELECT name, true, now(), now() FROM unnest(ARRAY['admin', 'support', 'auditor', 'user']) AS name;

INSERT INTO role_permissions (role, permission)
SELECT 'admin', permission FROM unnest(ARRAY[
  'users:read', 'users:write', 'users:delete',
  'roles:read', 'roles:write', 'roles:assign',
  'payments:read:any', 'payments:process:any', 'payments:cancel:any', 'payments:write:any', 'payments:refund',
  'notifications:read', 'notifications:send', 'notifications:suppress',
  'templates:write', 'audit:read', 'system:read', 'system:operate']) AS permission
UNION ALL
SELECT 'support', permission FROM unnest(ARRAY[
  'users:read', 'users:write', 'roles:read',
  'payments:read:any', 'payments:process:any', 'payments:cancel:any', 'payments:refund',
  'notifications:read', 'notifications:send', 'notifications:suppress']) AS permission
UNION ALL
SELECT 'auditor', permission FROM unnest(ARRAY[
  'users:read', 'roles:read', 'payments:read:any', 'notifications:read', 'audit:read', 'system:read']) AS permission;
