-- Distributes Guildhall's tables over a Citus cluster. Once, on the coordinator,
-- after `guildhall migrate up` and before there is data or a service:
--
--   psql --set ON_ERROR_STOP=1 postgres://owner@coordinator/guildhall -f configs/citus.sql
--
-- Written from Citus's documentation. It has never run on Citus; a test runs it on
-- PostgreSQL, without the calls of Citus's functions.

-- Foreign keys in a circle, which no order satisfies: made again below.
ALTER TABLE organizations DROP CONSTRAINT organizations_has_owner;

-- What everybody has a copy of refers to nothing that is distributed. That the
-- organization is there holds all the same: none is ever deleted.
ALTER TABLE sessions DROP CONSTRAINT sessions_organization_id_fkey;
ALTER TABLE user_active_status DROP CONSTRAINT user_active_status_organization_id_fkey;
ALTER TABLE user_suspensions DROP CONSTRAINT user_suspensions_organization_id_fkey;
ALTER TABLE service_accounts DROP CONSTRAINT service_accounts_organization_id_fkey;

-- Citus has no triggers on distributed tables: the service's role may not UPDATE
-- or DELETE events instead, and `guildhall audit verify` finds what was changed.
DROP TRIGGER audit_events_append_or_erase ON audit_events;

-- A person is in many organizations: their rows are everywhere.
SELECT create_reference_table('users');
SELECT create_reference_table('user_profile');
SELECT create_reference_table('user_terms');
SELECT create_reference_table('user_login_password');
SELECT create_reference_table('user_totp');
SELECT create_reference_table('user_recovery_codes');
SELECT create_reference_table('user_passkeys');
SELECT create_reference_table('user_identities');
SELECT create_reference_table('user_active_status');
SELECT create_reference_table('user_suspensions');
SELECT create_reference_table('user_archives');
SELECT create_reference_table('sessions');
SELECT create_reference_table('session_writes');
SELECT create_reference_table('platform_administrators');
SELECT create_reference_table('service_accounts');

-- What an organization has is in one place.
SELECT create_distributed_table('organizations', 'id');
SELECT create_distributed_table('organization_active_status', 'organization_id', colocate_with => 'organizations');
SELECT create_distributed_table('organization_suspensions', 'organization_id', colocate_with => 'organizations');
SELECT create_distributed_table('organization_archives', 'organization_id', colocate_with => 'organizations');
SELECT create_distributed_table('organization_members', 'organization_id', colocate_with => 'organizations');
SELECT create_distributed_table('organization_admins', 'organization_id', colocate_with => 'organizations');
SELECT create_distributed_table('organization_terms', 'organization_id', colocate_with => 'organizations');
SELECT create_distributed_table('member_terms', 'organization_id', colocate_with => 'organizations');
SELECT create_distributed_table('organization_owners', 'organization_id', colocate_with => 'organizations');
SELECT create_distributed_table('organization_invitations', 'organization_id', colocate_with => 'organizations');
SELECT create_distributed_table('invitation_links', 'organization_id', colocate_with => 'organizations');
ALTER TABLE organizations ADD CONSTRAINT organizations_has_owner
  FOREIGN KEY (id) REFERENCES organization_owners (organization_id) DEFERRABLE INITIALLY DEFERRED;

-- A chain of events has its organization's id, or its person's.
SELECT create_distributed_table('audit_chains', 'id', colocate_with => 'organizations');
SELECT create_distributed_table('audit_events', 'chain_id', colocate_with => 'organizations');

SELECT create_reference_table('signing_keys');
SELECT create_reference_table('apis');
SELECT create_reference_table('api_scopes');
SELECT create_distributed_table('idempotency_keys', 'id', colocate_with => 'none');
SELECT create_distributed_table('rate_limits', 'key', colocate_with => 'none');
SELECT create_distributed_table('revocations', 'id', colocate_with => 'none');
SELECT create_distributed_table('challenges', 'id', colocate_with => 'none');
SELECT create_distributed_table('mail_outbox', 'id', colocate_with => 'none');
SELECT create_distributed_table('mail_suppressions', 'address', colocate_with => 'none');
