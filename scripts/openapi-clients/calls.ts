// Calls every operation of the document with hey-api's client, which checks each answer.
// Usage: node calls.js BASE_URL
import { readFileSync } from 'node:fs';
import * as sdk from './heyapi/sdk.gen';
import { client } from './heyapi/client.gen';

client.setConfig({ baseUrl: process.argv[2] });
const called = new Set<PropertyKey>();
const api = new Proxy(sdk, {
  get(all, name) {
    called.add(name);
    return Reflect.get(all, name);
  },
});

async function ok<T>(answer: Promise<{ data: T; error: unknown; response?: Response }>): Promise<NonNullable<T>> {
  const { data, error, response } = await answer;
  if (error || !response?.ok) throw new Error(`${response?.url} ${response?.status}: ${error instanceof Error ? error.message : JSON.stringify(error)}`);
  return data as NonNullable<T>;
}

const password = 'correct horse battery';
const reason = 'A test.';
const register = (name: string) => ok(api.register({ body: { email: `${name}@ts.example.com`, password, name }, headers: { 'Idempotency-Key': `ts-${name}` } }));

async function main() {
  const ada = await register('ada');
  const grace = await register('grace');
  const root = (await ok(api.logIn({ body: { username: 'root@example.com', password } }))).access_token;
  const organization_id = ada.organization_id!;
  const path = { organization_id };
  const hers = { organization_id, user_id: grace.user_id };
  let auth = ada.access_token;

  await ok(api.refresh({ body: { refresh_token: ada.refresh_token } }));
  await ok(api.switchOrganization({ auth, body: { organization_id } }));
  await ok(api.getMe({ auth, headers: { 'X-Organization-ID': organization_id } }));
  await ok(api.listMyOrganizations({ auth }));
  await ok(api.logIn({ body: { username: 'ada@ts.example.com', password } }));
  const other = (await ok(api.listSessions({ auth }))).find((session) => !session.is_current)!;
  await ok(api.endSession({ auth, path: { session_id: other.id } }));
  await ok(api.updateProfile({ auth, path: { user_id: ada.user_id }, body: { bio: 'Wrote the first program.', avatar_url: null } }));
  await ok(api.changePassword({ auth, path: { user_id: ada.user_id }, body: { old_password: password, new_password: `${password} staple` } }));

  const made = await ok(api.createOrganization({ auth, body: { name: 'Analytical Engines' } }));
  await ok(api.getOrganization({ auth, path: { organization_id: made.id } }));
  await ok(api.updateOrganization({ auth, path, body: { name: 'Difference Engines' } }));
  await ok(api.listOrganizations({ auth, query: { limit: 1, count: true } }));

  await ok(api.addMember({ auth, path, body: { email: 'grace@ts.example.com' } }));
  await ok(api.grantAdmin({ auth, path, body: { user_id: grace.user_id } }));
  await ok(api.listMembers({ auth, path }));
  await ok(api.listAdmins({ auth, path }));
  await ok(api.getOwner({ auth, path }));
  await ok(api.getPermissions({ auth, path: hers }));
  await ok(api.getMyPermissions({ auth, path }));
  await ok(api.revokeAdmin({ auth, path: hers }));

  await ok(api.suspendUser({ auth, path: hers, body: { reason, suspended_until: new Date(Date.now() + 3_600_000).toISOString() } }));
  await ok(api.getUser({ auth, path: hers }));
  await ok(api.activateUser({ auth, path: hers }));
  await ok(api.deactivateUser({ auth, path: hers, body: { scope: 'organization' } }));
  await ok(api.activateUser({ auth, path: hers, body: {} }));
  await ok(api.listUsers({ auth }));
  await ok(api.listOrganizationAuditEvents({ auth, path, query: { action: 'user.suspended' } }));
  await ok(api.listUserAuditEvents({ auth, path: { user_id: ada.user_id } }));

  const made2 = await ok(api.createUser({ auth: root, body: { email: 'charles@ts.example.com', name: 'Charles', ...path, role: 'admin' } }));
  await ok(api.archiveUser({ auth: root, path: { user_id: made2.id }, body: { reason } }));
  await ok(api.unarchiveUser({ auth: root, path: { user_id: made2.id }, body: { reason } }));

  await ok(api.suspendOrganization({ auth, path, body: { reason } }));
  await ok(api.getOrganization({ auth, path }));
  await ok(api.activateOrganization({ auth, path }));
  await ok(api.archiveOrganization({ auth, path, body: { reason } }));
  await ok(api.unarchiveOrganization({ auth, path }));
  await ok(api.transferOwnership({ auth, path, body: { new_owner_user_id: grace.user_id } }));
  await ok(api.removeMember({ auth, path: { organization_id, user_id: ada.user_id } }));
  await ok(api.logOut({ auth, body: { all: true } }));

  const document = JSON.parse(readFileSync('openapi.json', 'utf8'));
  const operations = Object.values<any>(document.paths).flatMap((methods) => Object.values<any>(methods).map((o) => o.operationId as string));
  const missing = operations.filter((name) => !called.has(name));
  if (missing.length) throw new Error(`never called: ${missing.join(', ')}`);
  console.log(`hey-api: all ${operations.length} operations called, all answers as documented`);
}

main().catch((e) => {
  console.error(e.message);
  process.exit(1);
});
