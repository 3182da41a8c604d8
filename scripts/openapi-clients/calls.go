// Command openapi-clients calls every operation of the document with ogen's client, which
// refuses an answer that is not as documented.
// Usage: openapi-clients BASE_URL
package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/descope/virtualwebauthn"
	"github.com/google/uuid"
	"github.com/ogen-go/ogen/ogenerrors"

	"guildhall/scripts/openapi-clients/ogen"
)

const password, reason = "correct horse battery", "A test."

func main() {
	log.SetFlags(0)
	operations := documented()
	c, err := ogen.NewClient(os.Args[1], security{}, ogen.WithClient(operations))
	check(err)
	callAll(c)
	var missing []string
	for pattern, called := range operations.called {
		if !called {
			missing = append(missing, pattern)
		}
	}
	if len(missing) > 0 {
		log.Fatalf("never called: %v", missing)
	}
	fmt.Printf("ogen: all %d operations called, all answers as documented\n", len(operations.called))
}

func callAll(c *ogen.Client) {
	ctx := context.Background()
	register := func(name string) ogen.Token {
		return get[*ogen.RegisterCreatedHeaders](c.Register(ctx, &ogen.RegisterRequest{Email: name + "@go.example.com", Password: password, Name: name}, ogen.RegisterParams{IdempotencyKey: ogen.NewOptString("go-" + name)})).Response
	}
	ada, grace := register("ada"), register("grace")
	alan := get[*ogen.RegisterCreatedHeaders](c.Register(ctx, &ogen.RegisterRequest{Email: "alan@go.example.com", Password: password, Name: "alan", OrganizationName: ogen.OptNilString{Set: true, Null: true}}, ogen.RegisterParams{})).Response
	must(alan.OrganizationID.Null, "a registration with the organization name null has no organization")
	root := as(get[*ogen.RefreshOKHeaders](c.LogIn(ctx, &ogen.LogInForm{Username: ogen.NewOptString("root@example.com"), Password: ogen.NewOptString(password)})).Response)
	for _, person := range []ogen.Token{grace, alan} {
		asked := get[*ogen.ChallengeHeaders](c.CreateChallenge(as(person), &ogen.CreateChallengeRequest{Purpose: "verify_email"}, ogen.CreateChallengeParams{})).Response
		confirmed := get[*ogen.EmailHeaders](c.ConfirmEmail(as(person), &ogen.ConfirmEmailRequest{
			ChallengeToken: ogen.NewOptString(asked.ChallengeToken), Code: ogen.NewOptString(mailed(person.Email).Codes[0]),
		}, ogen.ConfirmEmailParams{})).Response
		must(confirmed.EmailVerified, "the code from the mail proves the address")
	}
	factors(c, register("phoebe"))
	passkey(c, register("petra"))
	providers(c, register("paula"))
	org, herID, ctx := ada.OrganizationID.Value, grace.UserID, as(ada)
	until := ogen.NewOptDateTime(time.Now().Add(time.Hour))

	made := get[*ogen.OrganizationHeaders](c.CreateOrganization(ctx, &ogen.CreateOrganizationRequest{Name: "Analytical Engines"}, ogen.CreateOrganizationParams{})).Response
	refreshed := get[*ogen.RefreshOKHeaders](c.Refresh(ctx, &ogen.RefreshRequest{RefreshToken: ada.RefreshToken, OrganizationID: ogen.NewOptUUID(made.ID)})).Response
	must(refreshed.OrganizationID.Value == made.ID, "a refresh with organization_id makes that organization active")
	get[any](c.SwitchOrganization(ctx, &ogen.SwitchOrganizationRequest{OrganizationID: org}, ogen.SwitchOrganizationParams{}))
	get[any](c.GetMe(ctx, ogen.GetMeParams{XOrganizationID: ogen.NewOptUUID(org)}))
	get[any](c.ListMyOrganizations(ctx, ogen.ListMyOrganizationsParams{}))
	get[any](c.LogIn(ctx, &ogen.LogInRequest{Username: ogen.NewOptString(ada.Email), Password: ogen.NewOptString(password)}))
	for _, s := range get[*ogen.ListSessionsOKHeaders](c.ListSessions(ctx, ogen.ListSessionsParams{})).Response {
		if !s.IsCurrent {
			get[any](c.EndSession(ctx, ogen.EndSessionParams{SessionID: s.ID}))
		}
	}
	get[any](c.LogIn(ctx, &ogen.LogInRequest{Username: ogen.NewOptString(ada.Email), Password: ogen.NewOptString(password)}))
	for _, s := range get[*ogen.ListUserSessionsOKHeaders](c.ListUserSessions(ctx, ogen.ListUserSessionsParams{UserID: ada.UserID})).Response {
		if !s.IsCurrent {
			get[any](c.EndUserSession(ctx, ogen.EndUserSessionParams{UserID: ada.UserID, SessionID: s.ID}))
		}
	}
	get[any](c.UpdateProfile(ctx, ogen.NewOptUpdateProfileRequest(ogen.UpdateProfileRequest{Bio: ogen.NewOptNilString("Wrote the first program.")}), ogen.UpdateProfileParams{UserID: ada.UserID}))
	get[any](c.ChangePassword(ctx, &ogen.ChangePasswordRequest{OldPassword: password, NewPassword: password + " staple"}, ogen.ChangePasswordParams{UserID: ada.UserID}))
	get[any](c.StepUp(ctx, &ogen.StepUpRequest{Password: ogen.NewOptString(password + " staple")}, ogen.StepUpParams{}))

	version := get[*ogen.GetOrganizationOKHeaders](c.GetOrganization(ctx, ogen.GetOrganizationParams{OrganizationID: org})).ETag
	get[*ogen.GetOrganizationNotModified](c.GetOrganization(ctx, ogen.GetOrganizationParams{OrganizationID: org, IfNoneMatch: version}))
	newName := &ogen.UpdateOrganizationRequest{Name: "Difference Engines"}
	get[*ogen.GetOrganizationOKHeaders](c.UpdateOrganization(ctx, newName, ogen.UpdateOrganizationParams{OrganizationID: org, IfMatch: version}))
	get[*ogen.UpdateOrganizationPreconditionFailed](c.UpdateOrganization(ctx, newName, ogen.UpdateOrganizationParams{OrganizationID: org, IfMatch: version}))
	get[any](c.ListOrganizations(ctx, ogen.ListOrganizationsParams{Limit: ogen.NewOptInt(1), Count: ogen.NewOptBool(true)}))

	get[any](c.AddMember(ctx, ogen.NewOptAddMemberRequest(ogen.AddMemberRequest{UserID: ogen.NewOptUUID(herID)}), ogen.AddMemberParams{OrganizationID: org}))
	added := get[*ogen.AddedHeaders](c.AddMembers(ctx, ogen.NewOptAddMembersRequest(ogen.AddMembersRequest{UserIds: []ogen.UUID{herID}, Emails: []string{alan.Email}, SkipExisting: ogen.NewOptBool(true)}), ogen.AddMembersParams{OrganizationID: org})).Response
	must(len(added.Added) == 1 && len(added.Existing) == 1, "one of the two is new")
	callInvitations(ctx, c, register, org, made.ID)
	get[any](c.GrantAdmin(ctx, &ogen.GrantAdminRequest{UserID: herID}, ogen.GrantAdminParams{OrganizationID: org}))
	admins := get[*ogen.ListMembersOKHeaders](c.ListMembers(ctx, ogen.ListMembersParams{OrganizationID: org, Role: ogen.NewOptRole(ogen.RoleAdmin), Standing: ogen.NewOptString("good"), Sort: ogen.NewOptListMembersSort("-name")})).Response
	must(len(admins) == 1 && admins[0].ID == herID, "the only admin is selected")
	get[any](c.GetMember(ctx, ogen.GetMemberParams{OrganizationID: org, UserID: herID}))
	get[any](c.ListAdmins(ctx, ogen.ListAdminsParams{OrganizationID: org}))
	get[any](c.GetOwner(ctx, ogen.GetOwnerParams{OrganizationID: org}))
	get[any](c.GetPermissions(ctx, ogen.GetPermissionsParams{OrganizationID: org, UserID: herID}))
	get[any](c.GetMyPermissions(ctx, ogen.GetMyPermissionsParams{OrganizationID: org}))
	get[any](c.RevokeAdmin(ctx, ogen.RevokeAdminParams{OrganizationID: org, UserID: herID}))

	get[any](c.SuspendMember(ctx, &ogen.SuspendMemberRequest{Reason: reason, SuspendedUntil: until}, ogen.SuspendMemberParams{OrganizationID: org, UserID: herID}))
	get[any](c.UpdateMemberSuspension(ctx, ogen.NewOptUpdateMemberSuspensionRequest(ogen.UpdateMemberSuspensionRequest{SuspendedUntil: ogen.OptNilDateTime{Set: true, Null: true}}), ogen.UpdateMemberSuspensionParams{OrganizationID: org, UserID: herID}))
	get[any](c.ListMemberSuspensions(ctx, ogen.ListMemberSuspensionsParams{OrganizationID: org, UserID: herID}))
	get[any](c.ActivateMember(ctx, ogen.ActivateMemberParams{OrganizationID: org, UserID: herID}))
	get[any](c.DeactivateMember(ctx, ogen.DeactivateMemberParams{OrganizationID: org, UserID: herID}))
	get[any](c.ActivateMember(ctx, ogen.ActivateMemberParams{OrganizationID: org, UserID: herID}))

	get[any](c.SuspendUser(ctx, &ogen.SuspendUserRequest{Reason: reason, SuspendedUntil: until}, ogen.SuspendUserParams{UserID: herID}))
	get[any](c.GetUser(ctx, ogen.GetUserParams{UserID: herID}))
	get[any](c.ActivateUser(ctx, ogen.OptActivateUserRequest{}, ogen.ActivateUserParams{UserID: herID}))
	get[any](c.DeactivateUser(ctx, ogen.OptDeactivateUserRequest{}, ogen.DeactivateUserParams{UserID: herID}))
	get[any](c.ActivateUser(ctx, ogen.OptActivateUserRequest{}, ogen.ActivateUserParams{UserID: herID}))
	get[any](c.ListUsers(ctx, ogen.ListUsersParams{}))
	get[any](c.RemoveMember(ctx, ogen.RemoveMemberParams{OrganizationID: org, UserID: alan.UserID}))
	people := get[*ogen.ListUsersOKHeaders](c.ListUsers(ctx, ogen.ListUsersParams{Ids: []ogen.UUID{herID, alan.UserID}})).Response
	must(len(people) == 2 && people[0].IsFormer != people[1].IsFormer, "a member and a former member have names")
	get[any](c.ListOrganizationAuditEvents(ctx, ogen.ListOrganizationAuditEventsParams{OrganizationID: org}))
	get[any](c.ListUserAuditEvents(ctx, ogen.ListUserAuditEventsParams{UserID: ada.UserID}))

	charles := get[*ogen.UserHeaders](c.CreateUser(root, &ogen.CreateUserRequest{Email: "charles@go.example.com", Name: "Charles", OrganizationID: ogen.NewOptUUID(org)}, ogen.CreateUserParams{})).Response
	get[any](c.ListAuditEvents(root, ogen.ListAuditEventsParams{UserID: ogen.NewOptUUID(charles.ID)}))
	get[any](c.GetPlatformStatus(root, ogen.GetPlatformStatusParams{}))
	get[any](c.GetPlatformChecks(root, ogen.GetPlatformChecksParams{}))
	get[any](c.GetSigningKeys(root, ogen.GetSigningKeysParams{}))
	get[any](c.ListPlatformAdministrators(root, ogen.ListPlatformAdministratorsParams{}))
	apis(root, ctx, c, org)
	get[any](c.SuspendUser(root, &ogen.SuspendUserRequest{Reason: reason, Scope: ogen.NewOptStandingScope(ogen.StandingScopeAccount)}, ogen.SuspendUserParams{UserID: charles.ID}))
	get[any](c.UpdateUserSuspension(root, ogen.NewOptUpdateUserSuspensionRequest(ogen.UpdateUserSuspensionRequest{Reason: ogen.NewOptString("Another.")}), ogen.UpdateUserSuspensionParams{UserID: charles.ID}))
	get[any](c.ListUserSuspensions(root, ogen.ListUserSuspensionsParams{UserID: charles.ID}))
	get[any](c.ListUserOrganizations(root, ogen.ListUserOrganizationsParams{UserID: charles.ID}))
	get[any](c.EndUserSessions(root, ogen.EndUserSessionsParams{UserID: charles.ID}))
	get[any](c.EraseUser(root, ogen.EraseUserParams{UserID: charles.ID}))
	get[any](c.CancelErasure(root, ogen.CancelErasureParams{UserID: charles.ID}))
	get[any](c.ExportUser(root, ogen.ExportUserParams{UserID: charles.ID}))
	get[any](c.ArchiveUser(root, &ogen.ArchiveUserRequest{Reason: reason}, ogen.ArchiveUserParams{UserID: charles.ID}))
	get[any](c.UnarchiveUser(root, ogen.OptUnarchiveUserRequest{}, ogen.UnarchiveUserParams{UserID: charles.ID}))

	get[any](c.SuspendOrganization(ctx, &ogen.SuspendOrganizationRequest{Reason: reason, SuspendedUntil: until}, ogen.SuspendOrganizationParams{OrganizationID: org}))
	get[any](c.UpdateOrganizationSuspension(ctx, ogen.NewOptUpdateOrganizationSuspensionRequest(ogen.UpdateOrganizationSuspensionRequest{SuspendedUntil: ogen.OptNilDateTime{Set: true, Null: true}}), ogen.UpdateOrganizationSuspensionParams{OrganizationID: org}))
	get[any](c.ListOrganizationSuspensions(ctx, ogen.ListOrganizationSuspensionsParams{OrganizationID: org}))
	get[any](c.ActivateOrganization(ctx, ogen.ActivateOrganizationParams{OrganizationID: org}))
	get[any](c.ArchiveOrganization(ctx, &ogen.ArchiveOrganizationRequest{Reason: reason}, ogen.ArchiveOrganizationParams{OrganizationID: org}))
	get[any](c.UnarchiveOrganization(ctx, ogen.OptUnarchiveOrganizationRequest{}, ogen.UnarchiveOrganizationParams{OrganizationID: org}))
	get[any](c.TransferOwnership(ctx, &ogen.TransferOwnershipRequest{NewOwnerUserID: herID}, ogen.TransferOwnershipParams{OrganizationID: org}))
	get[any](c.RemoveMember(ctx, ogen.RemoveMemberParams{OrganizationID: org, UserID: ada.UserID}))
	get[any](c.LogOut(ctx, ogen.NewOptLogOutRequest(ogen.LogOutRequest{All: ogen.NewOptBool(true)}), ogen.LogOutParams{}))
	anyone := context.Background()
	get[any](c.CreateChallenge(anyone, &ogen.CreateChallengeRequest{Purpose: "reset_password", Email: ogen.NewOptString(ada.Email)}, ogen.CreateChallengeParams{}))
	get[any](c.ResetPassword(anyone, &ogen.ResetPasswordRequest{LinkToken: ogen.NewOptString(mailed(ada.Email).link()), NewPassword: "five boxing wizards"}))
	get[any](c.Disavow(anyone, &ogen.DisavowRequest{LinkToken: mailed(ada.Email).link()}))
}

// mailed returns the newest mail to an address.
func mailed(email string) (newest keptMail) {
	r, err := http.NewRequest(http.MethodGet, os.Args[1]+"/dev/mailbox?to="+email, nil)
	check(err)
	r.Header.Set("Accept", "application/json")
	answer, err := http.DefaultClient.Do(r)
	check(err)
	defer answer.Body.Close()
	var list []keptMail
	check(json.NewDecoder(answer.Body).Decode(&list))
	must(len(list) > 0, "there is a mail to "+email)
	return list[0]
}

type keptMail struct{ Codes, Links []string }

func (m keptMail) link() string {
	_, token, _ := strings.Cut(m.Links[0], "#link_token=")
	return token
}

func callInvitations(ctx context.Context, c *ogen.Client, register func(string) ogen.Token, org, other ogen.UUID) {
	mary := register("mary")
	invite := func(organization ogen.UUID) ogen.Invitation {
		return get[*ogen.InvitationHeaders](c.Invite(ctx, &ogen.InviteRequest{Email: mary.Email}, ogen.InviteParams{OrganizationID: organization})).Response
	}
	invited := invite(org)
	get[any](c.ResendInvitation(ctx, ogen.NewOptResendInvitationRequest(ogen.ResendInvitationRequest{ExpiresInHours: ogen.NewOptInt(1)}), ogen.ResendInvitationParams{OrganizationID: org, InvitationID: invited.ID}))
	token := mailed(mary.Email).link()
	get[any](c.PreviewInvitation(ctx, &ogen.PreviewInvitationRequest{Token: token}))
	joined := get[*ogen.TokenHeaders](c.AcceptInvitation(as(mary), &ogen.AcceptInvitationRequest{Token: token}, ogen.AcceptInvitationParams{})).Response
	must(joined.OrganizationID.Value == org, "whoever accepts is in the organization")
	get[any](c.RemoveMember(ctx, ogen.RemoveMemberParams{OrganizationID: org, UserID: mary.UserID}))
	invite(org)
	get[any](c.DeclineInvitation(ctx, &ogen.DeclineInvitationRequest{Token: mailed(mary.Email).link()}))
	invite(org)
	invite(other)
	for _, mine := range get[*ogen.ListMyInvitationsOKHeaders](c.ListMyInvitations(as(joined), ogen.ListMyInvitationsParams{})).Response {
		if mine.OrganizationID == other {
			get[any](c.AcceptMyInvitation(as(joined), ogen.AcceptMyInvitationParams{InvitationID: mine.ID}))
		} else {
			get[any](c.DeclineMyInvitation(as(joined), ogen.DeclineMyInvitationParams{InvitationID: mine.ID}))
		}
	}
	people := []ogen.Invitee{{Email: "joan@go.example.com"}, {Email: mary.Email}}
	batch := ogen.InviteManyParams{OrganizationID: other}
	tried := get[*ogen.InvitationBatchHeaders](c.InviteMany(ctx, &ogen.InviteManyRequest{Invitations: people, DryRun: ogen.NewOptBool(true), SkipExisting: ogen.NewOptBool(true)}, batch)).Response
	must(len(tried.Invited) == 1 && len(tried.Skipped) == 1, "one of the two is a member")
	rows := get[*ogen.InviteManyCreatedHeaders](c.InviteMany(ctx, &ogen.InviteManyReqTextCsv{Data: strings.NewReader("email,role\njoan@go.example.com,admin\n")}, batch)).Response
	get[any](c.RevokeInvitation(ctx, ogen.RevokeInvitationParams{OrganizationID: other, InvitationID: rows.Invited[0].ID.Value}))
	get[any](c.ListInvitations(ctx, ogen.ListInvitationsParams{OrganizationID: other, Status: ogen.NewOptListInvitationsStatus(ogen.ListInvitationsStatusRevoked)}))
	link := get[*ogen.InvitationLinkHeaders](c.CreateInvitationLink(ctx, ogen.NewOptCreateInvitationLinkRequest(ogen.CreateInvitationLinkRequest{MaxUses: ogen.NewOptInt(5), Domains: []string{"go.example.com"}}), ogen.CreateInvitationLinkParams{OrganizationID: org})).Response
	get[any](c.ListInvitationLinks(ctx, ogen.ListInvitationLinksParams{OrganizationID: org}))
	get[any](c.RevokeInvitationLink(ctx, ogen.RevokeInvitationLinkParams{OrganizationID: org, LinkID: link.ID}))
	machines(ctx, c, org)
}

// machines makes a service account and its key, which then calls the API itself.
func machines(ctx context.Context, c *ogen.Client, org ogen.UUID) {
	account := get[*ogen.ServiceAccountHeaders](c.CreateServiceAccount(ctx, &ogen.CreateServiceAccountRequest{Name: "Go"}, ogen.CreateServiceAccountParams{OrganizationID: org})).Response
	get[any](c.ListServiceAccounts(ctx, ogen.ListServiceAccountsParams{OrganizationID: org}))
	made := get[*ogen.ApiKeyHeaders](c.CreateApiKey(ctx, &ogen.CreateApiKeyRequest{Name: "Go", UserID: ogen.NewOptUUID(account.ID), Scopes: []string{"read"}}, ogen.CreateApiKeyParams{OrganizationID: org})).Response
	me := get[*ogen.MeHeaders](c.GetMe(as(ogen.Token{AccessToken: made.Key.Value}), ogen.GetMeParams{})).Response
	must(me.ID == account.ID, "the key is the service account's")
	get[any](c.ListApiKeys(ctx, ogen.ListApiKeysParams{OrganizationID: org}))
	get[any](c.GetApiKey(ctx, ogen.GetApiKeyParams{OrganizationID: org, KeyID: made.ID}))
	get[any](c.ListMyApiKeys(ctx, ogen.ListMyApiKeysParams{}))
	own := get[*ogen.ApiKeyHeaders](c.CreateApiKey(ctx, &ogen.CreateApiKeyRequest{Name: "Feed"}, ogen.CreateApiKeyParams{OrganizationID: org})).Response
	byKey := as(ogen.Token{AccessToken: own.Key.Value})
	feed := get[*ogen.RevocationsHeaders](c.ListRevocations(byKey, ogen.ListRevocationsParams{})).Response
	get[any](c.ListRevocations(byKey, ogen.ListRevocationsParams{After: ogen.NewOptString(feed.Next), Wait: ogen.NewOptInt(0)}))
	rotated := get[*ogen.ApiKeyHeaders](c.RotateApiKey(ctx, ogen.NewOptRotateApiKeyRequest(ogen.RotateApiKeyRequest{OverlapSeconds: ogen.NewOptInt(60)}), ogen.RotateApiKeyParams{OrganizationID: org, KeyID: made.ID})).Response
	get[any](c.RevokeApiKey(ctx, ogen.RevokeApiKeyParams{OrganizationID: org, KeyID: rotated.ID}))
}

// apis registers an API. A person and a program get tokens for it, which it checks.
func apis(root, ctx context.Context, c *ogen.Client, org ogen.UUID) {
	identifier := url.URL{Scheme: "https", Host: "orders.go.example.com"}
	api := get[*ogen.APIHeaders](c.RegisterApi(root, &ogen.RegisterApiRequest{Identifier: identifier, Name: "Orders", Scopes: []ogen.ScopeDeclaration{{Name: "go:read"}}}, ogen.RegisterApiParams{})).Response
	get[any](c.ListApis(root, ogen.ListApisParams{}))
	get[any](c.GetApi(root, ogen.GetApiParams{APIID: api.ID}))
	get[any](c.UpdateApi(root, ogen.NewOptUpdateApiRequest(ogen.UpdateApiRequest{Claims: ogen.NewOptString("role")}), ogen.UpdateApiParams{APIID: api.ID}))
	key := get[*ogen.ApiOwnKeyHeaders](c.CreateKeyOfApi(root, &ogen.CreateKeyOfApiRequest{Name: "production"}, ogen.CreateKeyOfApiParams{APIID: api.ID})).Response
	get[any](c.ListKeysOfApi(root, ogen.ListKeysOfApiParams{APIID: api.ID}))

	made := get[*ogen.ApiKeyHeaders](c.CreateApiKey(ctx, &ogen.CreateApiKeyRequest{Name: "Orders", Scopes: []string{"go:read"}}, ogen.CreateApiKeyParams{OrganizationID: org})).Response
	anyone := context.Background()
	ofPerson := get[*ogen.AccessTokenHeaders](c.CreateApiToken(ctx, &ogen.CreateApiTokenRequest{Resource: identifier}, ogen.CreateApiTokenParams{})).Response
	ofProgram := get[*ogen.AccessTokenHeaders](c.GetClientToken(anyone, &ogen.GetClientTokenForm{
		GrantType: ogen.GetClientTokenFormGrantTypeClientCredentials, ClientID: ogen.NewOptString(uuid.UUID(made.ID).String()), ClientSecret: made.Key, Resource: ogen.NewOptURI(identifier),
	})).Response
	for _, token := range []ogen.AccessToken{ofPerson, ofProgram} {
		told := get[*ogen.IntrospectionHeaders](c.IntrospectToken(anyone, &ogen.IntrospectTokenForm{Token: token.AccessToken, ClientID: ogen.NewOptString(uuid.UUID(api.ID).String()), ClientSecret: key.Key})).Response
		must(told.Active && told.Scope.Value == "go:read", "the API may take the token")
		get[any](c.ForwardAuth(as(ogen.Token{AccessToken: token.AccessToken}), ogen.ForwardAuthParams{Resource: ogen.NewOptURI(identifier), Scope: ogen.NewOptString("go:read")}))
	}
	get[any](c.RevokeToken(anyone, &ogen.RevokeTokenForm{Token: ofProgram.AccessToken}))
	get[any](c.RevokeKeyOfApi(root, ogen.RevokeKeyOfApiParams{APIID: api.ID, KeyID: key.ID}))
	get[any](c.RemoveApi(root, ogen.RemoveApiParams{APIID: api.ID}))
}

// get returns the answer of a call, which must be of this type: any is a success.
func get[T any](answer any, err error) T {
	check(err)
	return answer.(T)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func must(holds bool, claim string) {
	if !holds {
		log.Fatalf("not so: %s", claim)
	}
}

// security sends the token of the context.
type security struct{}

// factors sets up an authenticator app, asks an organization's members for one, and logs in.
func factors(c *ogen.Client, phoebe ogen.Token) {
	ctx, org := as(phoebe), phoebe.OrganizationID.Value
	offered := get[*ogen.TotpHeaders](c.CreateTotp(ctx, ogen.NewOptCreateTotpRequest(ogen.CreateTotpRequest{Name: ogen.NewOptString("App")}), ogen.CreateTotpParams{})).Response
	confirmed := get[*ogen.ConfirmTotpCreatedHeaders](c.ConfirmTotp(ctx, &ogen.ConfirmTotpRequest{Otp: totp(offered.Secret)}, ogen.ConfirmTotpParams{FactorID: offered.ID})).Response
	must(len(confirmed.RecoveryCodes) == 10, "the first factor comes with recovery codes")
	get[any](c.RenameFactor(ctx, &ogen.RenameFactorRequest{Name: "Phone"}, ogen.RenameFactorParams{FactorID: offered.ID}))
	codes := get[*ogen.RecoveryCodesHeaders](c.CreateRecoveryCodes(ctx, ogen.CreateRecoveryCodesParams{})).Response.RecoveryCodes
	listed := get[*ogen.FactorsHeaders](c.ListFactors(ctx, ogen.ListFactorsParams{})).Response
	must(listed.Factors[0].Name == "Phone" && listed.RecoveryCodesLeft == 10, "the factor is listed")
	get[any](c.SetSecurity(ctx, &ogen.SetSecurityRequest{Mfa: ogen.FactorPolicyEveryone}, ogen.SetSecurityParams{OrganizationID: org}))
	policy := get[*ogen.SecurityHeaders](c.GetSecurity(ctx, ogen.GetSecurityParams{OrganizationID: org})).Response
	must(policy.Mfa == ogen.FactorPolicyEveryone && policy.MembersWithoutFactor.Value == 0, "the policy is shown")
	asked := get[*ogen.ChallengeHeaders](c.CreateChallenge(context.Background(), &ogen.CreateChallengeRequest{Purpose: "recover_factors", Email: ogen.NewOptString(phoebe.Email)}, ogen.CreateChallengeParams{})).Response
	get[any](c.StartFactorRecovery(context.Background(), &ogen.StartFactorRecoveryRequest{
		ChallengeToken: asked.ChallengeToken, Code: mailed(phoebe.Email).Codes[0], Password: password,
	}))
	must(get[*ogen.FactorsHeaders](c.ListFactors(ctx, ogen.ListFactorsParams{})).Response.RecoversAt.Value.After(time.Now()), "a recovery takes its time")
	get[any](c.CancelFactorRecovery(ctx, ogen.CancelFactorRecoveryParams{}))
	get[any](c.StepUp(ctx, &ogen.StepUpRequest{RecoveryCode: ogen.NewOptString(codes[0])}, ogen.StepUpParams{}))
	get[any](c.RemoveFactor(ctx, ogen.RemoveFactorParams{FactorID: offered.ID}))
}

// passkey sets a passkey up, of an authenticator in software, and logs in with it.
func passkey(c *ogen.Client, petra ogen.Token) {
	site := virtualwebauthn.RelyingParty{ID: "localhost", Origin: strings.Replace(os.Args[1], "127.0.0.1", "localhost", 1)}
	device, key := virtualwebauthn.NewAuthenticator(), virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)
	for len(key.Key.AttestationData()) != 77 { // it leaves out leading zeros, which no authenticator does
		key = virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)
	}
	ask := func(ctx context.Context, in ogen.CreateChallengeRequest) (challenge, options string) {
		asked := get[*ogen.ChallengeHeaders](c.CreateChallenge(ctx, &in, ogen.CreateChallengeParams{})).Response
		text, err := asked.PublicKey.Value.MarshalJSON()
		check(err)
		return asked.ChallengeToken, string(text)
	}
	challenge, options := ask(as(petra), ogen.CreateChallengeRequest{Purpose: "enrol_passkey"})
	creation, err := virtualwebauthn.ParseAttestationOptions(options)
	check(err)
	device.Options.UserHandle = []byte(creation.UserID)
	made := ogen.CreatePasskeyRequest{ChallengeToken: challenge}
	check(made.Credential.UnmarshalJSON([]byte(virtualwebauthn.CreateAttestationResponse(site, device, key, *creation))))
	factor := get[*ogen.ConfirmedFactorHeaders](c.CreatePasskey(as(petra), &made, ogen.CreatePasskeyParams{})).Response
	must(factor.Kind == "passkey" && len(factor.RecoveryCodes) == 10, "the passkey is a factor")

	anyone := context.Background()
	challenge, options = ask(anyone, ogen.CreateChallengeRequest{Purpose: "log_in", Method: ogen.NewOptString("passkey")})
	request, err := virtualwebauthn.ParseAssertionOptions(options)
	check(err)
	key.Counter++
	credential := virtualwebauthn.CreateAssertionResponse(site, device, key, *request)
	entered := get[*ogen.RefreshOKHeaders](c.LogIn(anyone, &ogen.LogInForm{GrantType: ogen.NewOptLogInFormGrantType("challenge"), ChallengeToken: ogen.NewOptString(challenge), Credential: ogen.NewOptString(credential)})).Response
	must(entered.UserID == petra.UserID, "the passkey says whose account it is")
}

// providers calls what needs another service without one. scripts/providers has one.
func providers(c *ogen.Client, paula ogen.Token) {
	ctx := as(paula)
	listed := get[*ogen.ProvidersHeaders](c.ListProviders(ctx)).Response
	must(len(listed.Providers) == 0, "nobody logs in with another service")
	must(len(get[*ogen.IdentitiesHeaders](c.ListIdentities(ctx, ogen.ListIdentitiesParams{})).Response.Identities) == 0, "nothing is linked")
	_, err := c.PassOn(refusedWith(ctx, http.StatusUnauthorized), &ogen.PassOnRequest{State: "x", Code: ogen.NewOptString("x")})
	check(err) // Apple's answer to a question that nobody asked
	_, err = c.CreateIdentity(refusedWith(ctx, http.StatusUnauthorized), &ogen.CreateIdentityRequest{ChallengeToken: "x", AuthorizationCode: "x", State: "x"}, ogen.CreateIdentityParams{})
	check(err) // as documented: nothing is linked without a challenge
	_, err = c.DeleteIdentity(refusedWith(ctx, http.StatusNotFound), ogen.DeleteIdentityParams{IdentityID: paula.UserID})
	check(err)
}

// totp computes the code of the present step (RFC 6238).
func totp(secret string) string {
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
	check(err)
	mac := hmac.New(sha1.New, key)
	check(binary.Write(mac, binary.BigEndian, time.Now().Unix()/30))
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 15
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[at:])&0x7fffffff%1_000_000)
}

type tokenKey struct{}

func as(t ogen.Token) context.Context {
	return context.WithValue(context.Background(), tokenKey{}, t.AccessToken)
}

func (security) Bearer(ctx context.Context, _ ogen.OperationName) (ogen.Bearer, error) {
	token, is := ctx.Value(tokenKey{}).(string)
	if !is {
		return ogen.Bearer{}, ogenerrors.ErrSkipClientSecurity
	}
	return ogen.Bearer{Token: token}, nil
}

func (security) Password(context.Context, ogen.OperationName) (ogen.Password, error) {
	return ogen.Password{}, ogenerrors.ErrSkipClientSecurity
}

// operations is an HTTP client that notes which operations have succeeded.
type operations struct {
	mux    *http.ServeMux
	called map[string]bool // by "METHOD /path/{parameter}"
}

func documented() *operations {
	raw, err := os.ReadFile("openapi.json")
	check(err)
	var document struct {
		Paths map[string]map[string]any
	}
	check(json.Unmarshal(raw, &document))
	o := &operations{mux: http.NewServeMux(), called: map[string]bool{}}
	for path, methods := range document.Paths {
		for method := range methods {
			pattern := strings.ToUpper(method) + " " + path
			o.mux.HandleFunc(pattern, http.NotFound)
			o.called[pattern] = false
		}
	}
	return o
}

// refusal is the key of the status with which an operation has to refuse what is asked.
type refusal struct{}

// refusedWith returns a context for an operation that needs what is not there.
func refusedWith(ctx context.Context, status int) context.Context {
	return context.WithValue(ctx, refusal{}, status)
}

func (o *operations) Do(r *http.Request) (*http.Response, error) {
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	// These two answer only requests that name a version, and get checks the type of their answers.
	if answer.StatusCode == http.StatusNotModified || answer.StatusCode == http.StatusPreconditionFailed {
		return answer, nil
	}
	wanted, _ := r.Context().Value(refusal{}).(int)
	if answer.StatusCode >= 300 && answer.StatusCode != wanted || wanted != 0 && answer.StatusCode < 300 {
		body, _ := io.ReadAll(answer.Body)
		return nil, fmt.Errorf("%s %s: %d %s", r.Method, r.URL.Path, answer.StatusCode, body)
	}
	_, pattern := o.mux.Handler(r)
	o.called[pattern] = true
	return answer, nil
}
