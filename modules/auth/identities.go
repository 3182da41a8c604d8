package auth

import (
	"context"
	"crypto/subtle"
	"errors"
	"slices"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/audit"
	"guildhall/platform/fault"
	"guildhall/platform/field"
	"guildhall/platform/httpapi"
	"guildhall/platform/mail"
	"guildhall/platform/password"
	"guildhall/platform/token"
)

// This file lets people log in with other services, and links those to accounts. providers.go
// asks them.
//
// Whoever asked has a token that nobody else has, and the answer of the provider is worthless
// without it: nobody can be logged in to an account that they did not ask for.

// mostIdentities is how many a person may have.
const mostIdentities = 10

// listProviders lists the services with which people may log in.
func (svc *Service) listProviders(context.Context, struct{}) (view providersView, err error) {
	view.Providers = []providerView{}
	for _, p := range svc.providers {
		view.Providers = append(view.Providers, providerView{ID: p.ID, Name: p.Name, Kind: p.Kind})
	}
	return view, nil
}

// provider returns the one with an id, or nil.
func (svc *Service) provider(id string) *provider {
	i := slices.IndexFunc(svc.providers, func(p *provider) bool { return p.ID == id })
	if i < 0 {
		return nil
	}
	return svc.providers[i]
}

// askProvider sends a person to a provider: to log in, or to link their account there with theirs
// here (provider_not_found, redirect_not_allowed, provider_unavailable).
func (svc *Service) askProvider(ctx context.Context, in challengeInput) (answer httpapi.Issued[challengeView], err error) {
	q := question{purpose: forProviderLogIn, byToken: true}
	switch in.Purpose.purpose() {
	case forLogIn:
	case forIdentity:
		caller := access.From(ctx)
		if caller.UserID == uuid.Nil {
			return answer, access.ErrAuthenticationRequired
		}
		if err := svc.gate.CheckRecent(caller); err != nil {
			return answer, err
		}
		q.purpose, q.userID, q.sessionID = forIdentity, uuid.NullUUID{UUID: caller.UserID, Valid: true}, uuid.NullUUID{UUID: caller.SessionID, Valid: true}
	default:
		return answer, httpapi.Invalid("body.method", fault.NotInEnum.Of(string(askedEmail), string(askedPasskey)))
	}
	p := svc.provider(string(*in.Provider))
	if p == nil {
		return answer, errProviderNotFound
	}
	if !slices.Contains(svc.options.RedirectURIs, string(*in.RedirectURI)) { // mutant: redirect-exact
		return answer, errRedirectNotAllowed
	}
	if err := svc.limits.client(ctx); err != nil {
		return answer, err
	}
	to, d, err := p.depart(string(*in.RedirectURI))
	if err != nil {
		return answer, errProviderUnavailable.WithCause(err)
	}
	q.payload = d
	answer.Body, err = svc.ask(ctx, q)
	answer.Body.AuthorizationURL = to
	return answer, err
}

// arrived returns who a person is at the provider to which a challenge sent them. The challenge is
// consumed before the provider is asked, so that no answer of it counts twice.
func (svc *Service) arrived(ctx context.Context, challengeToken string, a arrival, asked purpose) (i identity, err error) {
	if err := svc.limits.client(ctx); err != nil {
		return i, err
	}
	c, err := svc.store.attempt(ctx, token.HashSecret(challengeToken), svc.now())
	if err != nil {
		return i, err
	}
	if c.purpose != asked || asked == forIdentity && c.sessionID.UUID != access.From(ctx).SessionID { // mutant: own-departure
		return i, errInvalidChallenge
	}
	var d departure
	if err := svc.open(c, &d); err != nil {
		return i, err
	}
	if subtle.ConstantTimeCompare([]byte(a.state), []byte(d.State)) != 1 { // mutant: provider-state
		return i, errInvalidChallenge
	}
	p := svc.provider(d.Provider)
	if p == nil { // it was removed from the settings
		return i, errProviderNotFound
	}
	if err := svc.db.InTx(ctx, func(ctx context.Context) error { return svc.consume(ctx, c) }); err != nil { // mutant: provider-once
		return i, err
	}
	i, err = p.arrive(ctx, d, a)
	var notProved notProvedError
	switch {
	case errors.As(err, &notProved):
		return i, errInvalidChallenge.WithCause(err)
	case err != nil:
		return i, errProviderUnavailable.WithCause(err)
	}
	return i, nil
}

// logInByProvider begins a session for a person whom a provider knows. An identity that is linked
// logs in to its account. Another one is linked to the account with its address, if both the
// provider and this service have verified that. If the account has not, the provider's word
// proves the mailbox, and whatever was set up before ends. Otherwise nobody may log in by an
// address (account_exists). Without an account, one is created, as by a registration.
func (svc *Service) logInByProvider(ctx context.Context, in tokenInput) (view tokenView, err error) {
	i, err := svc.arrived(ctx, string(*in.ChallengeToken), in.arrival(), forProviderLogIn)
	if errInvalidChallenge.Is(err) {
		return view, svc.logInRefused(ctx, uuid.Nil, err)
	}
	if err != nil {
		return view, err
	}
	userID, err := svc.store.accountOf(ctx, i)
	if err != nil {
		return view, err
	}
	if userID.Valid {
		p, err := svc.store.find(ctx, userID.UUID)
		if err != nil {
			return view, err
		}
		view, err = svc.enter(ctx, entry{person: p, by: byProvider, requested: optional(in.OrganizationID), prove: func(ctx context.Context, _ logInState) error {
			still, err := svc.store.useIdentity(ctx, p.id, i, svc.now())
			if err == nil && !still {
				err = errInvalidChallenge // unlinked meanwhile
			}
			return err
		}})
		return view, svc.logInRefused(ctx, p.id, err)
	}
	if i.Email == "" {
		return view, errNoProviderEmail
	}
	p, err := svc.store.findByEmail(ctx, i.canonical())
	switch {
	case err != nil:
		return view, err
	case p == nil:
		return svc.registerByProvider(ctx, i, in.InvitationToken)
	case !i.Verified: // mutant: provider-verified
		return view, errAccountExists
	}
	view, err = svc.enter(ctx, entry{person: *p, by: byProvider, requested: optional(in.OrganizationID), identity: &i, prove: func(ctx context.Context, _ logInState) error {
		current, err := svc.store.find(ctx, p.id)
		if err != nil {
			return err
		}
		if current.canonical() != i.canonical() {
			return errAccountExists
		}
		return svc.claimWithoutPassword(ctx, *p) // mutant: provider-claims
	}})
	return view, svc.logInRefused(ctx, p.id, err)
}

// registerByProvider creates an account without a password for a person whom a provider knows, as
// register does. Where addresses have to be confirmed, the provider must have done it, or the mail
// with the invitation (email_not_verified).
func (svc *Service) registerByProvider(ctx context.Context, i identity, invitation *field.Credential) (view tokenView, err error) {
	switch {
	case invitation != nil:
		proved, err := svc.invitations.Invited(ctx, string(*invitation), i.canonical())
		if err != nil {
			return view, err
		}
		i.Verified = i.Verified || proved
	case !svc.options.Registration: // mutant: provider-registration
		return view, errRegistrationDisabled
	}
	if svc.options.ConfirmEmail && !i.Verified { // mutant: provider-confirmed
		return view, errEmailNotVerified
	}
	if err := svc.limits.register(ctx); err != nil {
		return view, err
	}
	founds := string(field.NameOf(i.Name, "'s Organization"))
	r := registration{Email: i.Email, Name: i.Name, Locale: localeFor(ctx, nil), PasswordHash: svc.hasher.Unusable(), Organization: &founds, identity: &i}
	if invitation != nil {
		r.Organization, r.Invitation = nil, string(*invitation)
	}
	return view, svc.db.InTx(ctx, func(ctx context.Context) error {
		view, err = svc.createAccount(ctx, r, byProvider)
		return err
	})
}

// link links an identity to an account, within the caller's transaction and under the account's
// lock. It refuses one that another account has (identity_exists), and too many
// (too_many_identities).
func (svc *Service) link(ctx context.Context, userID uuid.UUID, i identity) (linked, error) {
	have, err := svc.store.identities(ctx, userID)
	if err != nil {
		return linked{}, err
	}
	if len(have) >= mostIdentities {
		return linked{}, errTooManyIdentities
	}
	l := linked{id: uuid.Must(uuid.NewV7()), provider: i.Provider, email: i.Email, since: svc.now()}
	switch added, err := svc.store.addIdentity(ctx, userID, l, i); {
	case err != nil:
		return l, err
	case !added: // mutant: identity-once
		return l, errIdentityExists
	}
	return l, svc.trail.Record(ctx, audit.Event{Action: audit.IdentityLinked, UserID: userID, Actor: userID, Details: map[string]string{"provider": i.Provider}})
}

// linkAndTell is link for an account that was there before: a mail tells the person.
func (svc *Service) linkAndTell(ctx context.Context, p person, i identity) (linked, error) {
	l, err := svc.link(ctx, p.id, i)
	if err != nil {
		return l, err
	}
	return l, svc.notify(ctx, p, p.email, mail.IdentityLinked, mail.Data{Provider: svc.providerName(i.Provider)})
}

// providerName returns the name of a provider, or its id if it is not configured any more.
func (svc *Service) providerName(id string) string {
	if p := svc.provider(id); p != nil {
		return p.Name
	}
	return id
}

func (svc *Service) identityViewOf(l linked) identityView {
	v := identityView{ID: l.id, Provider: l.provider, Name: svc.providerName(l.provider), Email: l.email, LinkedAt: l.since.UTC()}
	if l.lastUsed.Valid {
		v.LastUsedAt = new(l.lastUsed.Time.UTC())
	}
	return v
}

// listIdentities lists the accounts elsewhere with which the caller may log in.
func (svc *Service) listIdentities(ctx context.Context, _ struct{}) (view identitiesView, err error) {
	have, err := svc.store.identities(ctx, access.From(ctx).UserID)
	if err != nil {
		return view, err
	}
	view.Identities = []identityView{}
	for _, l := range have {
		view.Identities = append(view.Identities, svc.identityViewOf(l))
	}
	return view, nil
}

// addIdentity links an account elsewhere with the caller's.
func (svc *Service) addIdentity(ctx context.Context, in addIdentityInput) (answer httpapi.Issued[identityView], err error) {
	i, err := svc.arrived(ctx, string(in.ChallengeToken), in.arrival(), forIdentity)
	if err != nil {
		return answer, err
	}
	return answer, svc.changingOneself(ctx, func(ctx context.Context, p person) error {
		// The challenge ended before the provider was asked, so no challenge that ends with
		// the session protects the account from whoever was put out of it meanwhile.
		switch s, err := svc.sessions.find(ctx, access.From(ctx).SessionID, p.id); {
		case err != nil:
			return err
		case s == nil: // mutant: link-of-live-session
			return errInvalidChallenge
		}
		l, err := svc.linkAndTell(ctx, p, i)
		answer.Body = svc.identityViewOf(l)
		return err
	})
}

// removeIdentity unlinks an account elsewhere (identity_not_found). It refuses to take the last
// way to log in (last_log_in_method). Every other session ends.
func (svc *Service) removeIdentity(ctx context.Context, in identityPath) (none httpapi.NoContent, err error) {
	return none, svc.changingOneself(ctx, func(ctx context.Context, p person) error {
		have, err := svc.store.identities(ctx, p.id)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(have, func(l linked) bool { return l.id == in.IdentityID })
		if at < 0 {
			return errIdentityNotFound
		}
		if err := svc.store.removeIdentity(ctx, p.id, in.IdentityID); err != nil {
			return err
		}
		if err := svc.checkWayIn(ctx, p); err != nil { // mutant: last-identity
			return err
		}
		if err := svc.trail.Record(ctx, audit.Event{Action: audit.IdentityUnlinked, UserID: p.id, Details: map[string]string{"provider": have[at].provider}}); err != nil {
			return err
		}
		if err := svc.sessions.endOthers(ctx, p.id, access.From(ctx).SessionID, "identity_unlinked"); err != nil {
			return err
		}
		return svc.notify(ctx, p, p.email, mail.IdentityUnlinked, mail.Data{Provider: svc.providerName(have[at].provider)})
	})
}

// checkWayIn refuses a change after which a person could not log in any more, within its
// transaction and under the account's lock (last_log_in_method). A reset by mail is how a lost
// password is replaced, and no way to log in.
func (svc *Service) checkWayIn(ctx context.Context, p person) error {
	hash, err := svc.store.hash(ctx, p.id)
	if err != nil {
		return err
	}
	if !password.IsUnusable(hash) {
		return nil
	}
	identities, err := svc.store.identities(ctx, p.id)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(identities, func(l linked) bool { return svc.provider(l.provider) != nil }) {
		return nil
	}
	if svc.passkeys != nil {
		keys, err := svc.store.passkeys(ctx, p.id)
		if err != nil || len(svc.passkeys.holderOf(p, keys).keys) > 0 {
			return err
		}
	}
	return errLastLogInMethod
}
