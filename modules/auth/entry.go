package auth

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/audit"
	"guildhall/platform/database"
	"guildhall/platform/fault"
	"guildhall/platform/field"
	"guildhall/platform/httpapi"
	"guildhall/platform/mail"
	"guildhall/platform/request"
	"guildhall/platform/revocation"
	"guildhall/platform/token"
)

// This file has every way in. Each proves something, and then calls start, the only
// function that begins a session.

// methods are what a person proved to begin a session: names of the amr claim (RFC 8176).
type methods string

const (
	byPassword methods = "pwd"
	byEmail    methods = "email"     // a code or a link from a mail
	byBoth     methods = "pwd email" // a registration with a proof of the address

	byOTP          methods = "otp"
	byRecoveryCode methods = "recovery_code" // not in RFC 8176

	byProvider methods = "fed" // another service, which says who the person is; not in RFC 8176

	// A passkey is the possession of a key. If the authenticator verified the person, it is
	// several factors on its own.
	byPasskey         methods = "pop"
	verifiedPerson    methods = "mfa"
	byVerifiedPasskey         = byPasskey + " " + verifiedPerson
)

// level returns the authenticator assurance level (NIST SP 800-63B). A password, a mail, or
// both are one factor: the mailbox is what resets the password. So is another service, whatever
// it asked for: it does not tell in a way that could be relied on. One of them and a second factor
// are two, and so is a passkey that verified the person.
func (m methods) level() int {
	knows := m.has(byPassword) || m.has(byEmail) || m.has(byProvider)
	possesses := m.has(byOTP) || m.has(byRecoveryCode) || m.has(byPasskey)
	if knows && possesses || m.has(byPasskey) && m.has(verifiedPerson) { // mutant: distinct-factors
		return 2
	}
	return 1
}

func (m methods) list() []string { return strings.Fields(string(m)) }

func (m methods) has(method methods) bool { return slices.Contains(m.list(), string(method)) }

// with adds methods.
func (m methods) with(more methods) methods {
	list := m.list()
	for _, method := range more.list() {
		if !slices.Contains(list, method) {
			list = append(list, method)
		}
	}
	return methods(strings.Join(list, " "))
}

// start begins a session in an organization, if any, and issues its tokens, within the
// caller's transaction. It is the only place that does, so it also is the place that refuses a
// person who has a second factor and has not proved it (mfa_required).
func (svc *Service) start(ctx context.Context, p person, by methods, organizationID uuid.NullUUID) (tokenView, error) {
	if p.enrolled && by.level() < 2 {
		return tokenView{}, errMFARequired
	}
	s, err := svc.sessions.begin(ctx, p.id, by, organizationID, svc.options.SessionLifetime)
	if err != nil {
		return tokenView{}, err
	}
	svc.gate.WrittenBy(ctx, s.ID) // mutant: first-write
	return svc.issueTokens(p, s, time.Time{})
}

// issueTokens signs both tokens of a session's current generation, for a request that began at
// a time.
func (svc *Service) issueTokens(p person, s session, began time.Time) (tokenView, error) {
	accessToken, expires, err := svc.tokens.Issue(token.Grant{UserID: p.id, SessionID: s.ID, OrganizationID: s.OrganizationID, NotAfter: s.ExpiresAt, Began: began})
	if err != nil {
		return tokenView{}, err
	}
	refreshToken, err := svc.tokens.IssueRefresh(p.id, s.ID, s.Generation, s.issuedAt(), s.ExpiresAt)
	if err != nil {
		return tokenView{}, err
	}
	return tokenView{
		UserID: p.id, OrganizationID: s.OrganizationID, Email: p.email, Name: p.name,
		AccessToken: accessToken, RefreshToken: refreshToken, TokenType: "bearer",
		ExpiresIn: int(math.Ceil(expires.Sub(svc.now()).Seconds())),
	}, nil
}

// entry is a log-in to an account.
type entry struct {
	person    person
	by        methods
	requested uuid.NullUUID
	// prove completes the proof in the transaction that begins the session, under the
	// account's lock.
	prove func(ctx context.Context, state logInState) error
	// identity is linked to the account when everything is proved, or nil.
	identity *identity
}

// enter begins a session of an account. It refuses an account that is not in good standing,
// and an organization in which the person may not act. If a second factor is missing, it keeps
// what was proved, and refuses with what the client needs to go on (mfa_required).
func (svc *Service) enter(ctx context.Context, e entry) (view tokenView, err error) {
	ctx = database.For(ctx, database.Tenant{UserID: e.person.id})
	var more *fault.Error
	err = svc.db.InTx(ctx, func(ctx context.Context) error {
		more = nil
		// Under the account's lock, so that no session begins while the account is
		// being suspended or its password changed.
		if err := svc.gate.LockUser(ctx, e.person.id); err != nil { // mutant: log-in-lock
			return err
		}
		state, err := svc.store.logInState(ctx, e.person.id, request.From(ctx).Client, svc.now())
		if err != nil {
			return err
		}
		if err := e.prove(ctx, state); err != nil {
			return err
		}
		if err := state.refusal(); err != nil {
			return err
		}
		if e.person.enrolled = state.enrolled; state.enrolled && e.by.level() < 2 { // mutant: second-factor-asked
			if e.person.enrolled, err = svc.stillEnrolled(ctx, e.person); err != nil {
				return err
			}
			if e.person.enrolled {
				more, err = svc.askSecondFactor(ctx, e)
				return err
			}
		}
		if e.identity != nil { // mutant: link-after-factor
			if _, err := svc.linkAndTell(ctx, e.person, *e.identity); err != nil {
				return err
			}
		}
		organizationID := state.preferred
		if e.requested.Valid {
			organizationID = e.requested
			if err := svc.checkMayActIn(ctx, e.person.id, e.requested.UUID, e.by.level() == 2); err != nil {
				return err
			}
		}
		if view, err = svc.start(ctx, e.person, e.by, organizationID); err != nil {
			return err
		}
		if state.asks && !e.requested.Valid && e.by.level() < 2 { // mutant: revokes-entered
			if err := svc.trail.Revocations().Add(ctx, revocation.OfMember(organizationID.UUID, e.person.id)); err != nil {
				return err
			}
		}
		if state.known {
			return nil
		}
		return svc.notify(ctx, e.person, e.person.email, mail.NewDevice, mail.Data{})
	})
	if err == nil && more != nil {
		err = more
	}
	return view, err
}

// stillEnrolled reports whether a person who lacks a second factor has to prove one. The proof of
// a mailbox may just have removed the factors of whoever registered it, and a recovery that is due
// removes them now.
func (svc *Service) stillEnrolled(ctx context.Context, p person) (bool, error) {
	enrolled, err := svc.store.enrolled(ctx, p.id)
	if err != nil || !enrolled {
		return false, err
	}
	recovered, err := svc.recover(ctx, p)
	return !recovered, err
}

// EnterOrganization returns the caller's tokens in an organization that they have joined,
// within their transaction and under the lock of their account. If the invitation proved
// their mailbox and nobody had before, everything that was set up until then ends, and a
// session begins.
func (svc *Service) EnterOrganization(ctx context.Context, organizationID uuid.UUID, provesMailbox bool) (view tokenView, err error) {
	caller := access.From(ctx)
	p, err := svc.store.find(ctx, caller.UserID)
	if err != nil {
		return view, err
	}
	claims := provesMailbox && !p.verified
	// A claim ends the second factors that were set up: nobody is asked for one before it.
	if err := svc.checkMayActIn(ctx, p.id, organizationID, caller.Standing.Strong || claims); err != nil {
		return view, err
	}
	if claims {
		if err := svc.claimWithoutPassword(ctx, p); err != nil { // mutant: invitation-claims
			return view, err
		}
		p.enrolled = false // the factors of whoever registered the address ended
		return svc.startBeforeFactor(ctx, p, byEmail, organizationID)
	}
	s, err := svc.sessions.branch(ctx, p.id, caller.SessionID, organizationID)
	if err != nil {
		return view, err
	}
	svc.gate.WrittenBy(ctx, s.ID)
	return svc.issueTokens(p, s, request.From(ctx).Began)
}

// startBeforeFactor is start for a person without a second factor, in an organization that they
// join. If it asks for one, the gate refuses them there until they set it up, and so must
// programs that verify the tokens themselves.
func (svc *Service) startBeforeFactor(ctx context.Context, p person, by methods, organizationID uuid.UUID) (view tokenView, err error) {
	joined := uuid.NullUUID{UUID: organizationID, Valid: true}
	if view, err = svc.start(ctx, p, by, joined); err != nil {
		return view, err
	}
	standing, err := svc.gate.Of(ctx, p.id, joined)
	if err == nil && standing.FactorRefusal() != nil { // mutant: revokes-joined
		err = svc.trail.Revocations().Add(ctx, revocation.OfMember(organizationID, p.id))
	}
	return view, err
}

// refusal returns why a person may not log in to their account, or nil.
func (e logInState) refusal() error {
	switch {
	case e.standing.AccountArchived:
		return errAccountArchived
	case e.standing.AccountSuspended:
		return errAccountSuspended
	case !e.standing.AccountActive:
		return errAccountInactive
	default:
		return nil
	}
}

// logIn verifies a password and begins a session, in the requested organization if one is
// given. It reveals nothing about an account without the right password: an unknown email
// address costs the same hash and gets the same answer.
func (svc *Service) logIn(ctx context.Context, email, typed string, requested uuid.NullUUID) (tokenView, error) {
	if err := svc.hasher.Ready(); err != nil { // an attempt that is not verified does not count
		return tokenView{}, err
	}
	if err := svc.limits.logIn(ctx, email); err != nil {
		return tokenView{}, err
	}
	p, err := svc.store.findByEmail(ctx, email)
	if err != nil {
		return tokenView{}, err
	}
	if p == nil {
		if err := svc.hasher.VerifyAbsent(ctx, typed); err != nil {
			return tokenView{}, err
		}
		return tokenView{}, svc.logInFailed(ctx, uuid.Nil, errInvalidCredentials) // mutant: unknown-email
	}
	ok, renew, err := svc.hasher.Verify(ctx, p.hash, typed)
	if err != nil {
		return tokenView{}, err
	}
	if !ok {
		return tokenView{}, svc.logInFailed(ctx, p.id, errInvalidCredentials)
	}
	renewed := ""
	if renew { // the parameters of the hash are outdated
		if renewed, err = svc.hasher.Hash(ctx, typed); err != nil {
			return tokenView{}, err
		}
	}
	view, err := svc.enter(ctx, entry{person: *p, by: byPassword, requested: requested, prove: func(ctx context.Context, state logInState) error {
		if state.hash != p.hash {
			return errInvalidCredentials // changed while it was being verified
		}
		if renewed != "" {
			if err := svc.store.savePassword(ctx, p.id, renewed, svc.now()); err != nil {
				return err
			}
		}
		return svc.limits.loggedIn(ctx, email)
	}})
	return view, svc.logInRefused(ctx, p.id, err)
}

// logInRefused records a refusal in the audit log. It returns the error. A log-in that lacks a
// second factor has not failed yet.
func (svc *Service) logInRefused(ctx context.Context, userID uuid.UUID, err error) error {
	if err := svc.recordCopied(ctx, userID, err); err != nil {
		return err
	}
	var refused *fault.Error
	if errors.As(err, &refused) && !errMFARequired.Is(err) {
		return svc.logInFailed(ctx, userID, refused)
	}
	return err
}

// logInFailed records the refusal in the audit log and returns it.
func (svc *Service) logInFailed(ctx context.Context, userID uuid.UUID, refusal *fault.Error) error {
	err := svc.trail.Record(ctx, audit.Event{Action: audit.LogInFailed, UserID: userID, Details: map[string]string{"code": refusal.Code}})
	if err != nil {
		return err
	}
	return refusal
}

// logInByChallenge begins a session for a person who proved their mailbox, or creates the
// account of a registration that had to prove it.
func (svc *Service) logInByChallenge(ctx context.Context, p proof, requested uuid.NullUUID) (tokenView, error) {
	c, err := svc.answer(ctx, p, forLogIn, forRegistration)
	if err != nil {
		return tokenView{}, err
	}
	if c.purpose == forRegistration {
		return svc.completeRegistration(ctx, c)
	}
	account, err := svc.owner(ctx, c)
	if err != nil {
		return tokenView{}, err
	}
	view, err := svc.enter(ctx, entry{person: account, by: byEmail, requested: requested, prove: func(ctx context.Context, _ logInState) error {
		if err := svc.consume(ctx, c); err != nil {
			return err
		}
		return svc.claimWithoutPassword(ctx, account)
	}})
	return view, svc.logInRefused(ctx, account.id, err)
}

// logInByPasskey begins a session for whoever holds a passkey, and whom its authenticator
// verified: that is two factors. The passkey says whose account it is.
func (svc *Service) logInByPasskey(ctx context.Context, c challenge, a *assertion, requested uuid.NullUUID) (tokenView, error) {
	if a == nil || a.fault != nil {
		return tokenView{}, svc.logInFailed(ctx, uuid.Nil, errInvalidChallenge)
	}
	var asked ceremony
	if err := svc.open(c, &asked); err != nil {
		return tokenView{}, err
	}
	userID, err := svc.store.holderOf(ctx, credentialID(a.parsed.RawID))
	if err != nil {
		return tokenView{}, err
	}
	if !userID.Valid {
		return tokenView{}, svc.logInFailed(ctx, uuid.Nil, errInvalidChallenge)
	}
	p, err := svc.store.find(ctx, userID.UUID)
	if err != nil {
		return tokenView{}, err
	}
	view, err := svc.enter(ctx, entry{person: p, by: a.methods(), requested: requested, prove: func(ctx context.Context, _ logInState) error {
		if err := svc.consume(ctx, c); err != nil { // mutant: passkey-once
			return err
		}
		return svc.spendAssertion(ctx, p, &asked, a)
	}})
	return view, svc.logInRefused(ctx, p.id, err)
}

// claim is called when a person proves the mailbox of an account. If nobody had proved it
// before, somebody else may have registered the address: everything that was set up until
// then ends, in the caller's transaction.
func (svc *Service) claim(ctx context.Context, userID uuid.UUID) (first bool, err error) {
	first, err = svc.users.Verify(ctx, userID)
	if err != nil || !first { // mutant: mailbox-owner
		return first, err
	}
	return first, svc.evict(ctx, userID, time.Time{}, "email_verified")
}

// evict removes every way into an account but its mailbox, within the caller's transaction:
// the password, open challenges, sessions, the API keys and invitations that whoever was in may
// have left as a way back, and the second factors and identities that they set up since a time.
// Disavowals stay.
func (svc *Service) evict(ctx context.Context, userID uuid.UUID, since time.Time, reason string) error {
	if err := svc.store.savePassword(ctx, userID, svc.hasher.Unusable(), svc.now()); err != nil { // mutant: evicted-password
		return err
	}
	if err := svc.store.endChallenges(ctx, userID, svc.now()); err != nil { // mutant: evicted-challenges
		return err
	}
	if err := svc.removeFactorsSince(ctx, userID, since); err != nil { // mutant: evicted-factors
		return err
	}
	if err := svc.store.removeIdentitiesSince(ctx, userID, since); err != nil { // mutant: evicted-identities
		return err
	}
	if err := svc.invitations.Withdraw(ctx, uuid.NullUUID{}, userID, access.NoRole); err != nil { // mutant: evicted-invitations
		return err
	}
	if err := svc.sessions.EndKeys(ctx, userID, reason); err != nil { // mutant: evicted-keys
		return err
	}
	return svc.sessions.EndAll(ctx, userID, reason) // mutant: evicted-sessions
}

// claimWithoutPassword is claim for a person who sets no new password now. If theirs is
// removed, a mail says so.
func (svc *Service) claimWithoutPassword(ctx context.Context, p person) error {
	first, err := svc.claim(ctx, p.id)
	if err != nil || !first {
		return err
	}
	now := svc.now()
	return svc.mail.Notify(ctx, mail.Mail{To: p.email, Kind: mail.PasswordRemoved, Locale: p.locale, NotAfter: now.Add(disavowal), Data: mail.Data{
		Name: p.name, At: now, Link: svc.options.LinkBase + "/account/forgot",
	}})
}

// registration is what a person registers with.
type registration struct {
	Email        string        `json:"email"`
	Name         string        `json:"name"`
	Locale       *field.Locale `json:"locale"`
	PasswordHash string        `json:"password_hash"`
	Organization *string       `json:"organization"`         // the name of the one to create, if any
	Invitation   string        `json:"invitation,omitempty"` // the token of the invitation that the person accepts

	identity *identity // with which the person registers, instead of a password
}

func (r registration) canonical() string { return field.Email(r.Email).Canonical() }

// register creates an account, unless declined with its first organization, and logs the
// person in, in one transaction. Hashing is slow, so it comes before the transaction. It
// refuses an email address that has an account (email_taken), an unsuitable password, and
// any request while registration is disabled. If addresses have to be confirmed, it sends a
// code, and the answer is the same for an address that has an account.
//
// A person who is invited may always register. If a mail proved their address, no code is
// needed; if it did not, one is, wherever mail is configured. Whoever has the set-up link of
// the service may register, too, and becomes its first platform administrator.
func (svc *Service) register(ctx context.Context, in registerInput) (answer httpapi.MaybeCreated[tokenView, challengeView], err error) {
	if !svc.options.Registration && in.InvitationToken == nil && in.SetupToken == nil {
		return answer, errRegistrationDisabled
	}
	if err := svc.hasher.Ready(); err != nil {
		return answer, err
	}
	if err := svc.limits.register(ctx); err != nil {
		return answer, err
	}
	if problem := svc.rules.Check(ctx, string(in.Password), string(in.Email)); problem != nil {
		return answer, httpapi.Invalid("body.password", problem)
	}
	by, confirm := byPassword, svc.options.ConfirmEmail
	if in.InvitationToken != nil {
		proved, err := svc.invitations.Invited(ctx, string(*in.InvitationToken), in.Email.Canonical())
		if err != nil {
			return answer, err
		}
		confirm = svc.mail.Configured() && !proved // mutant: shown-invitation-confirms
		if proved {
			by = byBoth
		}
	}
	var setUp *challenge
	if in.SetupToken != nil {
		c, err := svc.answer(ctx, proof{link: string(*in.SetupToken)}, forSetUp)
		if err != nil {
			return answer, err
		}
		setUp, confirm = &c, false
	}
	hash, err := svc.hasher.Hash(ctx, string(in.Password))
	if err != nil {
		return answer, err
	}
	r := registration{Email: string(in.Email), Name: string(in.Name), Locale: localeFor(ctx, in.Locale), PasswordHash: hash}
	founds := string(field.NameOf(r.Name, "'s Organization"))
	r.Organization = &founds
	if in.OrganizationName.Set {
		r.Organization = (*string)(in.OrganizationName.Value)
	}
	if in.InvitationToken != nil {
		r.Organization, r.Invitation = nil, string(*in.InvitationToken)
	}
	if confirm {
		view, err := svc.confirmRegistration(ctx, r)
		answer.Pending = &view
		return answer, err
	}
	err = svc.db.InTx(ctx, func(ctx context.Context) error {
		view, err := svc.createAccount(ctx, r, by)
		if err != nil {
			return err
		}
		if setUp != nil {
			if err := svc.setUp(ctx, *setUp, view.UserID); err != nil {
				return err
			}
		}
		answer.Created, err = httpapi.NewCreated(ctx, httpapi.BasePath+"/users/"+view.UserID.String(), view)
		return err
	})
	return answer, err
}

// confirmRegistration keeps a registration until its address is proved.
func (svc *Service) confirmRegistration(ctx context.Context, r registration) (challengeView, error) {
	if err := svc.limits.challenge(ctx, r.canonical()); err != nil {
		return challengeView{}, err
	}
	known, err := svc.store.findByEmail(ctx, r.canonical())
	if err != nil {
		return challengeView{}, err
	}
	m := mail.Mail{To: r.Email, Kind: mail.ConfirmEmail, Locale: localeText(r.Locale), Data: mail.Data{Name: r.Name}}
	// The code of this challenge is in no mail.
	if known != nil { // mutant: known-registration
		m = mail.Mail{To: known.email, Kind: mail.AccountExists, Locale: known.locale, Data: mail.Data{Name: known.name}}
	}
	return svc.ask(ctx, question{purpose: forRegistration, email: r.canonical(), payload: r, mail: m, byCode: true})
}

// completeRegistration creates the account whose address was proved.
func (svc *Service) completeRegistration(ctx context.Context, c challenge) (view tokenView, err error) {
	var r registration
	if err := svc.open(c, &r); err != nil {
		return view, err
	}
	return view, svc.db.InTx(ctx, func(ctx context.Context) error {
		if err := svc.consume(ctx, c); err != nil {
			return err
		}
		view, err = svc.createAccount(ctx, r, byBoth)
		return err
	})
}

// createAccount creates an account, and its organization, within the caller's transaction.
func (svc *Service) createAccount(ctx context.Context, r registration, by methods) (view tokenView, err error) {
	p := person{email: r.Email, name: r.Name}
	if p.id, err = svc.users.Register(ctx, r.Email, r.canonical(), r.Name, r.Locale); err != nil {
		return view, err
	}
	if err := svc.checkNotReserved(ctx, r.canonical(), p.id); err != nil {
		return view, err
	}
	if by == byBoth || r.identity != nil && r.identity.Verified { // mutant: provider-verifies
		if _, err := svc.users.Verify(ctx, p.id); err != nil {
			return view, err
		}
	}
	if r.identity != nil {
		if _, err := svc.link(ctx, p.id, *r.identity); err != nil {
			return view, err
		}
	}
	var organizationID uuid.NullUUID
	if r.Organization != nil {
		if organizationID.UUID, err = svc.organizations.Create(ctx, p.id, *r.Organization); err != nil {
			return view, err
		}
		organizationID.Valid = true
	}
	if r.Invitation != "" {
		if organizationID.UUID, err = svc.invitations.Join(ctx, r.Invitation, p.id); err != nil {
			return view, err
		}
		organizationID.Valid = true
	}
	if err := svc.store.savePassword(ctx, p.id, r.PasswordHash, svc.now()); err != nil {
		return view, err
	}
	if r.Invitation != "" {
		return svc.startBeforeFactor(ctx, p, by, organizationID.UUID)
	}
	return svc.start(ctx, p, by, organizationID)
}

// localeFor returns the language that a person chose, or that their client prefers.
func localeFor(ctx context.Context, chosen *field.Locale) *field.Locale {
	if preferred := field.Locale(request.From(ctx).Locale); chosen == nil && preferred != "" {
		return &preferred
	}
	return chosen
}

func localeText(l *field.Locale) string {
	if l == nil {
		return "" // the default
	}
	return string(*l)
}
