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

async function refused(status: number, answer: Promise<{ response?: Response }>) {
  const { response } = await answer;
  must(response?.status === status, `${response?.url} ${response?.status}, not ${status}`);
}

function must(holds: boolean, claim: string) {
  if (!holds) throw new Error(`not so: ${claim}`);
}

const password = 'correct horse battery';
const reason = 'A test.';
async function register(name: string, organization_name?: null) {
  const body = { email: `${name}@ts.example.com`, password, name, organization_name };
  const answer = await ok(api.register({ body, headers: { 'Idempotency-Key': `ts-${name}` } }));
  if (!('access_token' in answer)) throw new Error(`${name} has to prove the address first`); // 202, with REGISTRATION_CONFIRM_EMAIL
  return answer;
}

// mailed reads what the newest mail to an address proves it with.
async function mailed(email: string) {
  const answer = await fetch(`${process.argv[2]}/dev/mailbox?to=${email}`, { headers: { Accept: 'application/json' } });
  const [mail] = (await answer.json()) as { codes: string[]; links: string[] }[];
  return { code: mail.codes[0], link_token: mail.links[0]?.split('#link_token=')[1] };
}

async function callInvitations(auth: string, organization_id: string, other: string) {
  const path = { organization_id };
  const mary = await register('mary');
  const invite = (organization_id: string) => ok(api.invite({ auth, path: { organization_id }, body: { email: mary.email } }));
  const invited = await invite(organization_id);
  await ok(api.resendInvitation({ auth, path: { organization_id, invitation_id: invited.id }, body: { expires_in_hours: 1 } }));
  const token = (await mailed(mary.email)).link_token!;
  await ok(api.previewInvitation({ body: { token } }));
  const joined = await ok(api.acceptInvitation({ auth: mary.access_token, body: { token } }));
  must(joined.organization_id === organization_id, 'whoever accepts is in the organization');
  await ok(api.removeMember({ auth, path: { organization_id, user_id: mary.user_id } }));
  await invite(organization_id);
  await ok(api.declineInvitation({ body: { token: (await mailed(mary.email)).link_token! } }));
  await invite(organization_id);
  await invite(other);
  for (const mine of await ok(api.listMyInvitations({ auth: joined.access_token }))) {
    const it = { auth: joined.access_token, path: { invitation_id: mine.id } };
    if (mine.organization_id === other) await ok(api.acceptMyInvitation(it));
    else await ok(api.declineMyInvitation(it));
  }
  const batch = { auth, path: { organization_id: other } };
  const tried = await ok(api.inviteMany({ ...batch, body: { invitations: [{ email: 'joan@ts.example.com' }, { email: mary.email }], dry_run: true, skip_existing: true } }));
  must(tried.invited.length === 1 && tried.skipped.length === 1, 'one of the two is a member');
  const rows = await ok(api.inviteMany({ ...batch, body: { invitations: [{ email: 'joan@ts.example.com', role: 'admin' }] } }));
  await ok(api.revokeInvitation({ auth, path: { organization_id: other, invitation_id: rows.invited[0].id! } }));
  await ok(api.listInvitations({ ...batch, query: { status: 'revoked' } }));
  const link = await ok(api.createInvitationLink({ auth, path, body: { max_uses: 5, domains: ['ts.example.com'] } }));
  await ok(api.listInvitationLinks({ auth, path }));
  await ok(api.revokeInvitationLink({ auth, path: { organization_id, link_id: link.id } }));
}

async function main() {
  const ada = await register('ada');
  const grace = await register('grace');
  const alan = await register('alan', null);
  must(alan.organization_id === null, 'a registration with the organization name null has no organization');
  const root = (await ok(api.logIn({ body: { username: 'root@example.com', password } }))).access_token;
  for (const person of [grace, alan]) {
    const auth = person.access_token;
    const { challenge_token } = await ok(api.createChallenge({ auth, body: { purpose: 'verify_email' } }));
    const confirmed = await ok(api.confirmEmail({ auth, body: { challenge_token, code: (await mailed(person.email)).code } }));
    must(confirmed.email_verified, 'the code from the mail proves the address');
  }
  const organization_id = ada.organization_id!;
  const path = { organization_id };
  const hers = { organization_id, user_id: grace.user_id };
  let auth = ada.access_token;

  const made = await ok(api.createOrganization({ auth, body: { name: 'Analytical Engines' } }));
  const refreshed = await ok(api.refresh({ body: { refresh_token: ada.refresh_token, organization_id: made.id } }));
  must(refreshed.organization_id === made.id, 'a refresh with organization_id makes that organization active');
  await ok(api.switchOrganization({ auth, body: { organization_id } }));
  await ok(api.getMe({ auth, headers: { 'X-Organization-ID': organization_id } }));
  await ok(api.listMyOrganizations({ auth }));
  await ok(api.logIn({ body: { username: 'ada@ts.example.com', password } }));
  const other = (await ok(api.listSessions({ auth }))).find((session) => !session.is_current)!;
  await ok(api.endSession({ auth, path: { session_id: other.id } }));
  await ok(api.updateProfile({ auth, path: { user_id: ada.user_id }, body: { bio: 'Wrote the first program.', avatar_url: null } }));
  await ok(api.changePassword({ auth, path: { user_id: ada.user_id }, body: { old_password: password, new_password: `${password} staple` } }));
  must((await ok(api.stepUp({ auth, body: { password: `${password} staple` } }))).amr.includes('pwd'), 'the password was proved');

  const shown = api.getOrganization({ auth, path });
  await ok(shown);
  const version = (await shown).response!.headers.get('ETag')!;
  const rename = { auth, path, body: { name: 'Difference Engines' }, headers: { 'If-Match': version } };
  await refused(304, api.getOrganization({ auth, path, headers: { 'If-None-Match': version } }));
  await ok(api.updateOrganization(rename));
  await refused(412, api.updateOrganization(rename));
  await ok(api.listOrganizations({ auth, query: { limit: 1, count: true } }));

  await ok(api.addMember({ auth, path, body: { email: 'grace@ts.example.com' } }));
  const batch = await ok(api.addMembers({ auth, path, body: { user_ids: [grace.user_id], emails: [alan.email], skip_existing: true } }));
  must(batch.added.length === 1 && batch.existing.length === 1, 'one of the two is new');
  await callInvitations(auth, organization_id, made.id);
  await ok(api.grantAdmin({ auth, path, body: { user_id: grace.user_id } }));
  await ok(api.listMembers({ auth, path }));
  await ok(api.getMember({ auth, path: hers }));
  await ok(api.listAdmins({ auth, path }));
  await ok(api.getOwner({ auth, path }));
  await ok(api.getPermissions({ auth, path: hers }));
  await ok(api.getMyPermissions({ auth, path }));
  await ok(api.revokeAdmin({ auth, path: hers }));

  await ok(api.suspendMember({ auth, path: hers, body: { reason, suspended_until: new Date(Date.now() + 3_600_000).toISOString() } }));
  await ok(api.updateMemberSuspension({ auth, path: hers, body: { suspended_until: null } }));
  await ok(api.listMemberSuspensions({ auth, path: hers }));
  await ok(api.activateMember({ auth, path: hers }));
  await ok(api.deactivateMember({ auth, path: hers }));
  await ok(api.activateMember({ auth, path: hers }));

  await ok(api.suspendUser({ auth, path: hers, body: { reason, suspended_until: new Date(Date.now() + 3_600_000).toISOString() } }));
  await ok(api.getUser({ auth, path: hers }));
  await ok(api.activateUser({ auth, path: hers }));
  await ok(api.deactivateUser({ auth, path: hers, body: { scope: 'organization' } }));
  await ok(api.activateUser({ auth, path: hers, body: {} }));
  await ok(api.listUsers({ auth }));
  await ok(api.removeMember({ auth, path: { organization_id, user_id: alan.user_id } }));
  const people = await ok(api.listUsers({ auth, query: { ids: [grace.user_id, alan.user_id] } }));
  must(people.length === 2 && people[0].is_former !== people[1].is_former, 'a member and a former member have names');
  await ok(api.listOrganizationAuditEvents({ auth, path, query: { action: 'user.suspended' } }));
  await ok(api.listUserAuditEvents({ auth, path: { user_id: ada.user_id } }));

  const charles = await ok(api.createUser({ auth: root, body: { email: 'charles@ts.example.com', name: 'Charles', ...path, role: 'admin' } }));
  await ok(api.suspendUser({ auth: root, path: { user_id: charles.id }, body: { reason, scope: 'account' } }));
  await ok(api.updateUserSuspension({ auth: root, path: { user_id: charles.id }, body: { reason: 'Another.' } }));
  await ok(api.listUserSuspensions({ auth: root, path: { user_id: charles.id } }));
  await ok(api.archiveUser({ auth: root, path: { user_id: charles.id }, body: { reason } }));
  await ok(api.unarchiveUser({ auth: root, path: { user_id: charles.id }, body: { reason } }));

  await ok(api.suspendOrganization({ auth, path, body: { reason } }));
  await ok(api.getOrganization({ auth, path }));
  await ok(api.updateOrganizationSuspension({ auth, path, body: { suspended_until: null } }));
  await ok(api.listOrganizationSuspensions({ auth, path }));
  await ok(api.activateOrganization({ auth, path }));
  await ok(api.archiveOrganization({ auth, path, body: { reason } }));
  await ok(api.unarchiveOrganization({ auth, path }));
  await ok(api.transferOwnership({ auth, path, body: { new_owner_user_id: grace.user_id } }));
  await ok(api.removeMember({ auth, path: { organization_id, user_id: ada.user_id } }));
  await ok(api.logOut({ auth, body: { all: true } }));
  await ok(api.createChallenge({ body: { purpose: 'reset_password', email: ada.email } }));
  await ok(api.resetPassword({ body: { link_token: (await mailed(ada.email)).link_token, new_password: 'five boxing wizards' } }));
  await ok(api.disavow({ body: { link_token: (await mailed(ada.email)).link_token } }));

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
