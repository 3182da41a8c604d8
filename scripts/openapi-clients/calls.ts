// Calls every operation of the document with hey-api's client, which checks each answer.
// Usage: node calls.js BASE_URL
import { createHmac } from 'node:crypto';
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

// totp computes the code of the present step (RFC 6238).
function totp(secret: string) {
  const bits = [...secret].map((c) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from(bits.match(/.{8}/g)!.map((byte) => parseInt(byte, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000)));
  const sum = createHmac('sha1', key).update(step).digest();
  const code = (sum.readUInt32BE(sum[sum.length - 1] & 15) & 0x7fffffff) % 1_000_000;
  return code.toString().padStart(6, '0');
}

// factors sets up an authenticator app, asks an organization's members for one, and logs in.
async function factors() {
  const phoebe = await register('phoebe');
  const auth = phoebe.access_token;
  const path = { organization_id: phoebe.organization_id! };
  const offered = await ok(api.createTotp({ auth, body: { name: 'App' } }));
  const factor = { factor_id: offered.id };
  const confirmed = await ok(api.confirmTotp({ auth, path: factor, body: { otp: totp(offered.secret) } }));
  must(confirmed.recovery_codes?.length === 10, 'the first factor comes with recovery codes');
  await ok(api.renameFactor({ auth, path: factor, body: { name: 'Phone' } }));
  const { recovery_codes } = await ok(api.createRecoveryCodes({ auth }));
  const listed = await ok(api.listFactors({ auth }));
  must(listed.factors[0].name === 'Phone' && listed.recovery_codes_left === 10, 'the factor is listed');
  await ok(api.setSecurity({ auth, path, body: { mfa: 'everyone' } }));
  must((await ok(api.getSecurity({ auth, path }))).mfa === 'everyone', 'the policy is shown');
  const { challenge_token } = await ok(api.createChallenge({ body: { purpose: 'recover_factors', email: phoebe.email } }));
  await ok(api.startFactorRecovery({ body: { challenge_token, code: (await mailed(phoebe.email)).code, password } }));
  await ok(api.cancelFactorRecovery({ auth }));
  const { error } = await api.logIn({ body: { username: phoebe.email, password } });
  const pending = error as { code: string; challenge_token: string };
  must(pending.code === 'mfa_required', 'one factor is not enough');
  const entered = await ok(api.logIn({ body: { grant_type: 'challenge', challenge_token: pending.challenge_token, recovery_code: recovery_codes[0] } }));
  await ok(api.stepUp({ auth: entered.access_token, body: { recovery_code: recovery_codes[1] } }));
  await ok(api.removeFactor({ auth: entered.access_token, path: factor }));
}

// passkeys calls what needs an authenticator without one: each refusal is checked as documented. calls.go has one in software.
async function passkeys(auth: string) {
  const asked = await ok(api.createChallenge({ auth, body: { purpose: 'enrol_passkey' } }));
  const { rp } = asked.public_key as { rp: { id: string } };
  must(rp.id === 'localhost', 'the browser is asked for a passkey of this domain');
  await refused(401, api.createPasskey({ auth, body: { challenge_token: asked.challenge_token, credential: { type: 'public-key' } } }));
  const { challenge_token } = await ok(api.createChallenge({ body: { purpose: 'log_in', method: 'passkey' } }));
  await refused(401, api.logIn({ body: { grant_type: 'challenge', challenge_token, credential: { type: 'public-key' } } }));
}

// providers calls what needs another service without one: each refusal is checked as documented. scripts/providers has one.
async function providers(auth: string) {
  must((await ok(api.listProviders())).providers.length === 0, 'nobody logs in with another service');
  await refused(401, api.passOn({ body: { state: 'x', code: 'x' } }));
  must((await ok(api.listIdentities({ auth }))).identities.length === 0, 'nothing is linked');
  const asked = { purpose: 'link_identity', provider: 'google', redirect_uri: 'https://app.example.com/callback' } as const;
  await refused(404, api.createChallenge({ auth, body: asked }));
  const { challenge_token } = await ok(api.createChallenge({ body: { purpose: 'log_in', method: 'passkey' } }));
  await refused(401, api.createIdentity({ auth, body: { challenge_token, authorization_code: 'x', state: 'x' } }));
  await refused(404, api.deleteIdentity({ auth, path: { identity_id: '0193e3a8-5b7c-7d2e-9f10-2b3c4d5e6f70' } }));
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
  await machines(auth, organization_id);
}

// machines makes a service account and its key, which then calls the API itself.
async function machines(auth: string, organization_id: string) {
  const path = { organization_id };
  const account = await ok(api.createServiceAccount({ auth, path, body: { name: 'TypeScript' } }));
  await ok(api.listServiceAccounts({ auth, path }));
  const made = await ok(api.createApiKey({ auth, path, body: { name: 'TypeScript', user_id: account.id, scopes: ['read'] } }));
  const me = await ok(api.getMe({ auth: made.key! }));
  must(me.id === account.id, "the key is the service account's");
  await ok(api.listApiKeys({ auth, path }));
  await ok(api.getApiKey({ auth, path: { organization_id, key_id: made.id } }));
  await ok(api.listMyApiKeys({ auth }));
  const own = await ok(api.createApiKey({ auth, path, body: { name: 'Feed' } }));
  const { next } = await ok(api.listRevocations({ auth: own.key! }));
  await ok(api.listRevocations({ auth: own.key!, query: { after: next, wait: 0 } }));
  const rotated = await ok(api.rotateApiKey({ auth, path: { organization_id, key_id: made.id }, body: { overlap_seconds: 60 } }));
  await ok(api.revokeApiKey({ auth, path: { organization_id, key_id: rotated.id } }));
}

// apis registers an API. A person and a program get tokens for it, which it checks.
async function apis(root: string, auth: string, organization_id: string) {
  const resource = 'https://orders.ts.example.com';
  const made = await ok(api.registerApi({ auth: root, body: { identifier: resource, name: 'Orders', scopes: [{ name: 'ts:read' }] } }));
  const path = { api_id: made.id };
  await ok(api.listApis({ auth: root }));
  await ok(api.getApi({ auth: root, path }));
  await ok(api.updateApi({ auth: root, path, body: { claims: 'role' } }));
  const key = await ok(api.createKeyOfApi({ auth: root, path, body: { name: 'production' } }));
  await ok(api.listKeysOfApi({ auth: root, path }));

  const mine = await ok(api.createApiKey({ auth, path: { organization_id }, body: { name: 'Orders', scopes: ['ts:read'] } }));
  const ofPerson = await ok(api.createApiToken({ auth, body: { resource } }));
  const ofProgram = await ok(api.getClientToken({ body: { grant_type: 'client_credentials', client_id: mine.id, client_secret: mine.key, resource } }));
  for (const { access_token } of [ofPerson, ofProgram]) {
    const told = await ok(api.introspectToken({ body: { token: access_token, client_id: made.id, client_secret: key.key } }));
    must(told.active && told.scope === 'ts:read', 'the API may take the token');
    await ok(api.forwardAuth({ auth: access_token, query: { resource, scope: 'ts:read' } }));
  }
  await ok(api.revokeToken({ body: { token: ofProgram.access_token } }));
  await ok(api.revokeKeyOfApi({ auth: root, path: { api_id: made.id, key_id: key.id } }));
  await ok(api.removeApi({ auth: root, path }));
}

async function main() {
  const ada = await register('ada');
  const grace = await register('grace');
  await factors();
  await passkeys(grace.access_token);
  await providers(grace.access_token);
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
  await ok(api.logIn({ body: { username: 'ada@ts.example.com', password } }));
  const third = (await ok(api.listUserSessions({ auth, path: { user_id: ada.user_id } }))).find((session) => !session.is_current)!;
  await ok(api.endUserSession({ auth, path: { user_id: ada.user_id, session_id: third.id } }));
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
  const admins = await ok(api.listMembers({ auth, path, query: { role: 'admin', standing: 'good', sort: '-name' } }));
  must(admins.length === 1 && admins[0].id === grace.user_id, 'the only admin is selected');
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
  await ok(api.listAuditEvents({ auth: root, query: { user_id: charles.id } }));
  await ok(api.getPlatformStatus({ auth: root }));
  await ok(api.getPlatformChecks({ auth: root }));
  await ok(api.getSigningKeys({ auth: root }));
  await ok(api.listPlatformAdministrators({ auth: root }));
  await apis(root, auth, organization_id);
  await ok(api.suspendUser({ auth: root, path: { user_id: charles.id }, body: { reason, scope: 'account' } }));
  await ok(api.updateUserSuspension({ auth: root, path: { user_id: charles.id }, body: { reason: 'Another.' } }));
  await ok(api.listUserSuspensions({ auth: root, path: { user_id: charles.id } }));
  const memberships = await ok(api.listUserOrganizations({ auth: root, path: { user_id: charles.id } }));
  must(memberships[0].role === 'admin' && memberships[0].standing === 'good', 'a membership has the role and the standing of the person');
  await ok(api.endUserSessions({ auth: root, path: { user_id: charles.id } }));
  await ok(api.eraseUser({ auth: root, path: { user_id: charles.id } }));
  const back = await ok(api.cancelErasure({ auth: root, path: { user_id: charles.id } }));
  must(!back.is_archived && back.erased_at === null, 'an account whose erasure was cancelled is open');
  const exported = await ok(api.exportUser({ auth: root, path: { user_id: charles.id } }));
  must(exported.data.account.length === 1, 'an export has the account');
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
