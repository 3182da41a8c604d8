package auth

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/audit"
	"guildhall/platform/field"
	"guildhall/platform/httpapi"
	"guildhall/platform/mail"
	"guildhall/platform/password"
	"guildhall/platform/request"
)

// createChallenge sends a person to a provider, asks for a passkey, or mails a code and, for some
// purposes, a link. Whether an address has an account shows neither in the answer nor in what it costs.
func (svc *Service) createChallenge(ctx context.Context, in challengeInput) (answer httpapi.Issued[challengeView], err error) {
	switch {
	case in.byProvider():
		return svc.askProvider(ctx, in)
	case in.byPasskey():
		return svc.askForPasskey(ctx, in)
	}
	if !svc.mail.Configured() {
		return answer, mail.ErrNotConfigured
	}
	q := question{purpose: in.Purpose.purpose(), byCode: true, byLink: true}
	switch q.purpose {
	case forLogIn, forPasswordReset, forRecovery:
		if q.purpose == forLogIn && !svc.options.LogInByEmail {
			return answer, errLogInByEmailDisabled
		}
		err = svc.askByAddress(ctx, &q, *in.Email)
	default:
		if access.From(ctx).UserID == uuid.Nil {
			return answer, access.ErrAuthenticationRequired
		}
		err = svc.askCaller(ctx, &q, in)
	}
	if err != nil {
		return answer, err
	}
	if err := svc.limits.challenge(ctx, q.email); err != nil { // mutant: mail-limit
		return answer, err
	}
	answer.Body, err = svc.ask(ctx, q)
	return answer, err
}

// askByAddress completes a question to the owner of an address.
func (svc *Service) askByAddress(ctx context.Context, q *question, email field.Email) error {
	q.email = email.Canonical()
	q.mail = mail.Mail{Kind: mail.ResetPassword, Locale: request.From(ctx).Locale}
	switch q.purpose {
	case forLogIn:
		q.mail.Kind = mail.LogInCode
	case forRecovery:
		q.mail.Kind, q.byLink = mail.RecoverFactors, false
	}
	p, err := svc.store.findByEmail(ctx, q.email)
	if err != nil || p == nil || p.archived || q.purpose == forRecovery && !p.enrolled {
		return err // the mail has no recipient
	}
	q.userID = uuid.NullUUID{UUID: p.id, Valid: true}
	svc.addressTo(ctx, q, *p, p.email)
	return nil
}

// askCaller completes a question to the caller.
func (svc *Service) askCaller(ctx context.Context, q *question, in challengeInput) error {
	caller := access.From(ctx)
	p, err := svc.store.find(ctx, caller.UserID)
	if err != nil {
		return err
	}
	q.userID, q.sessionID = uuid.NullUUID{UUID: p.id, Valid: true}, uuid.NullUUID{UUID: caller.SessionID, Valid: true}
	q.email, q.mail = p.canonical(), mail.Mail{Kind: mail.VerifyEmail}
	to := p.email
	switch q.purpose {
	case forVerification:
		if p.verified {
			return errAlreadyVerified
		}
	case forStepUp:
		if !p.verified {
			return errEmailNotVerified
		}
		q.mail.Kind, q.byLink = mail.StepUpCode, false
	case forEmailChange:
		if err := svc.gate.CheckRecent(caller); err != nil {
			return err
		}
		to = string(*in.NewEmail)
		q.email, q.payload, q.mail.Kind = in.NewEmail.Canonical(), to, mail.ChangeEmail
	}
	svc.addressTo(ctx, q, p, to)
	return nil
}

func (svc *Service) addressTo(ctx context.Context, q *question, p person, to string) {
	q.mail.To, q.mail.Data.Name = to, p.name
	if q.mail.Locale = p.locale; q.mail.Locale == "" {
		q.mail.Locale = request.From(ctx).Locale
	}
}

// resetPassword sets a new password for a person who proved their mailbox. It ends all
// sessions and begins none: a second factor is still asked for at the next log-in.
func (svc *Service) resetPassword(ctx context.Context, in resetInput) (none httpapi.NoContent, err error) {
	// What is wrong with any account's password costs no attempt.
	if problem := svc.rules.Check(ctx, string(in.NewPassword), ""); problem != nil {
		return none, httpapi.Invalid("body.new_password", problem)
	}
	if err := svc.hasher.Ready(); err != nil {
		return none, err
	}
	c, err := svc.answer(ctx, in.proof(), forPasswordReset)
	if err != nil {
		return none, err
	}
	if problem := password.CheckEmail(string(in.NewPassword), c.email); problem != nil {
		return none, httpapi.Invalid("body.new_password", problem)
	}
	p, err := svc.owner(ctx, c)
	if err != nil {
		return none, err
	}
	hash, err := svc.hasher.Hash(ctx, string(in.NewPassword))
	if err != nil {
		return none, err
	}
	return none, svc.changeAccount(ctx, c, func(ctx context.Context) error {
		if _, err := svc.claim(ctx, p.id); err != nil {
			return err
		}
		if err := svc.store.savePassword(ctx, p.id, hash, svc.now()); err != nil {
			return err
		}
		if err := svc.trail.Record(ctx, audit.Event{Action: audit.PasswordChanged, UserID: p.id, Details: map[string]string{"by": "email"}}); err != nil {
			return err
		}
		if err := svc.store.endChallenges(ctx, p.id, svc.now()); err != nil {
			return err
		}
		if err := svc.sessions.EndAll(ctx, p.id, "password_reset"); err != nil { // mutant: reset-ends-sessions
			return err
		}
		if err := svc.limits.loggedIn(ctx, c.email); err != nil {
			return err
		}
		p.verified = true
		return svc.notify(ctx, p, p.email, mail.PasswordChanged, mail.Data{})
	})
}

// owner returns the account of a challenge to prove a mailbox. It refuses a challenge to an
// address that the account does not have, or no longer (invalid_challenge).
func (svc *Service) owner(ctx context.Context, c challenge) (person, error) {
	if !c.userID.Valid {
		return person{}, errInvalidChallenge
	}
	p, err := svc.store.find(ctx, c.userID.UUID)
	if err == nil && c.email != p.canonical() { // mutant: changed-address
		err = errInvalidChallenge
	}
	return p, err
}

// changeAccount consumes a challenge and makes a change, under the account's lock.
func (svc *Service) changeAccount(ctx context.Context, c challenge, change func(context.Context) error) error {
	return svc.db.InTx(ctx, func(ctx context.Context) error {
		if err := svc.gate.LockUser(ctx, c.userID.UUID); err != nil {
			return err
		}
		if err := svc.consume(ctx, c); err != nil {
			return err
		}
		return change(ctx)
	})
}

// confirmEmail marks the caller's address as proved, or changes it to the one that they
// proved. A change ends no session: it needed a recent proof.
func (svc *Service) confirmEmail(ctx context.Context, in confirmEmailInput) (view emailView, err error) {
	caller := access.From(ctx)
	c, err := svc.answer(ctx, in.proof(), forVerification, forEmailChange)
	if err != nil {
		return view, err
	}
	if c.userID.UUID != caller.UserID { // mutant: own-challenge
		return view, errInvalidChallenge
	}
	if c.purpose == forVerification {
		p, err := svc.owner(ctx, c)
		if err != nil {
			return view, err
		}
		view = emailView{UserID: p.id, Email: p.email, Verified: true}
		return view, svc.changeAccount(ctx, c, func(ctx context.Context) error {
			_, err := svc.users.Verify(ctx, p.id)
			return err
		})
	}
	p, err := svc.store.find(ctx, caller.UserID)
	if err != nil {
		return view, err
	}
	view = emailView{UserID: p.id, Verified: true}
	if err := svc.open(c, &view.Email); err != nil {
		return view, err
	}
	return view, svc.changeAccount(ctx, c, func(ctx context.Context) error {
		now := svc.now()
		if err := svc.users.ChangeEmail(ctx, p.id, view.Email, c.email, &now); err != nil {
			return err
		}
		if err := svc.checkNotReserved(ctx, c.email, p.id); err != nil {
			return err
		}
		if err := svc.store.endChallenges(ctx, p.id, now); err != nil {
			return err
		}
		// Both addresses are told, and either can undo it: the old one is not lost to a
		// thief, and the new one may be somebody else's.
		if err := svc.notify(ctx, p, p.email, mail.EmailChanged, mail.Data{Email: view.Email}); err != nil {
			return err
		}
		return svc.notify(ctx, p, view.Email, mail.EmailChanged, mail.Data{Email: view.Email})
	})
}

// stepUp renews the proof of the caller's session: of a person with a second factor by that, of
// others by their password or by a code (mfa_required).
func (svc *Service) stepUp(ctx context.Context, in stepUpInput) (view stepUpView, err error) {
	caller := access.From(ctx)
	p, err := svc.store.find(ctx, caller.UserID)
	if err != nil {
		return view, err
	}
	switch f := in.secondFactor(); {
	case f.assertion != nil:
		return svc.stepUpByPasskey(ctx, p, caller.SessionID, string(*in.ChallengeToken), f.assertion)
	case f.method() != "":
		return svc.stepUpByFactor(ctx, p, caller.SessionID, f)
	}
	if p.enrolled { // mutant: step-up-by-one-factor
		return view, svc.mustStepUpByFactor(ctx, p)
	}
	if in.Password != nil {
		if err := svc.verifyPassword(ctx, p, string(*in.Password)); err != nil {
			return view, err
		}
		return svc.renewed(ctx, caller.SessionID, byPassword)
	}
	c, err := svc.answer(ctx, in.proof(), forStepUp)
	if err != nil {
		return view, err
	}
	if c.sessionID.UUID != caller.SessionID { // mutant: own-session
		return view, errInvalidChallenge
	}
	err = svc.changeAccount(ctx, c, func(ctx context.Context) error {
		view, err = svc.renewed(ctx, caller.SessionID, byEmail)
		return err
	})
	return view, err
}

func (svc *Service) renewed(ctx context.Context, sessionID uuid.UUID, by methods) (stepUpView, error) {
	now := svc.now()
	err := svc.sessions.renew(ctx, sessionID, by, now)
	return stepUpView{ACR: "aal" + strconv.Itoa(by.level()), AMR: by.list(), AuthenticatedAt: now}, err
}

// verifyPassword verifies the caller's password, with a limit on guesses (wrong_password).
func (svc *Service) verifyPassword(ctx context.Context, p person, typed string) error {
	if err := svc.hasher.Ready(); err != nil {
		return err
	}
	if err := svc.limits.changePassword(ctx, p.id); err != nil {
		return err
	}
	ok, _, err := svc.hasher.Verify(ctx, p.hash, typed)
	if err == nil && !ok {
		err = errWrongPassword
	}
	return err
}

// undoing is what a disavowal restores, beyond ending all sessions and the password: the
// address at the time of the notice. So it also takes back what a thief changed later.
type undoing struct {
	Email    string `json:"email"`
	Verified bool   `json:"verified"`
	// Began is when the request of the notice began. It removes the factors since then.
	Began time.Time `json:"began"`
}

// notify tells a person what happened to their account, within the caller's transaction. p
// is the account before that. The mail has a link with which they disavow it. Without a
// transport, or after too many notices, it does nothing.
func (svc *Service) notify(ctx context.Context, p person, to string, kind mail.Kind, data mail.Data) error {
	if !svc.mail.Configured() {
		return nil
	}
	if kind != mail.EmailChanged && kind != mail.OwnershipTransferred {
		if ok, err := svc.limits.notice(ctx, p.canonical()); err != nil || !ok { // mutant: notice-limit
			return err
		}
	}
	id, err := svc.store.disavowalID(ctx, p.id)
	if err != nil {
		return err
	}
	reserved := "" // nobody reserves an address that they have not proved
	if p.verified {
		reserved = p.canonical() // nobody else can take it meanwhile
	}
	from := request.From(ctx)
	data.Name, data.Client, data.Address = p.name, from.Client, from.Address
	_, err = svc.ask(ctx, question{
		id: id, purpose: forDisavowal, userID: uuid.NullUUID{UUID: p.id, Valid: true}, byLink: true,
		email: reserved, payload: undoing{Email: p.email, Verified: p.verified, Began: from.Began},
		mail: mail.Mail{To: to, Kind: kind, Locale: p.locale, Data: data},
	})
	return err
}

// Notify tells a person what was done with their account, within the caller's transaction,
// with a link to disavow it.
func (svc *Service) Notify(ctx context.Context, userID uuid.UUID, kind mail.Kind, data mail.Data) error {
	p, err := svc.store.find(ctx, userID)
	if errors.Is(err, access.ErrUserNotFound) {
		return nil // the person was erased: nobody reads it
	}
	if err != nil {
		return err
	}
	return svc.notify(ctx, p, p.email, kind, data)
}

// disavow undoes a change that the person did not make, and later ones: it ends all
// sessions, restores the address, and removes the password, so that only the owner of the
// mailbox sets a new one.
func (svc *Service) disavow(ctx context.Context, in disavowInput) (none httpapi.NoContent, err error) {
	c, err := svc.answer(ctx, proof{link: string(in.LinkToken)}, forDisavowal)
	if err != nil {
		return none, err
	}
	var undo undoing
	if err := svc.open(c, &undo); err != nil {
		return none, err
	}
	since := undo.Began
	if since.IsZero() { // a notice of an earlier release, or of a command
		since = c.expires.Add(-disavowal)
	}
	return none, svc.changeAccount(ctx, c, func(ctx context.Context) error {
		p, err := svc.store.find(ctx, c.userID.UUID) // under the lock: an address may just be changing
		if err != nil {
			return err
		}
		if p.email != undo.Email { // mutant: address-taken-back
			var verifiedAt *time.Time
			if undo.Verified {
				verifiedAt = new(svc.now())
			}
			if err := svc.users.ChangeEmail(ctx, p.id, undo.Email, field.Login(undo.Email).CanonicalEmail(), verifiedAt); err != nil {
				return err
			}
		}
		if err := svc.store.endLaterDisavowals(ctx, c, svc.now()); err != nil {
			return err
		}
		if err := svc.trail.Record(ctx, audit.Event{Action: audit.ChangeDisavowed, UserID: p.id}); err != nil {
			return err
		}
		if err := svc.users.KeepOwn(ctx, p.id); err != nil { // mutant: disavowed-erasure
			return err
		}
		return svc.evict(ctx, p.id, since, "disavowed")
	})
}

// checkNotReserved refuses an address that its former account can still take back
// (email_taken). Call it when the caller's transaction has written the address: that waited
// for whoever was giving it up.
func (svc *Service) checkNotReserved(ctx context.Context, canonicalEmail string, owner uuid.UUID) error {
	if !svc.mail.Configured() {
		return nil
	}
	reserved, err := svc.store.isReserved(ctx, canonicalEmail, owner, svc.now())
	if err == nil && reserved { // mutant: reserved-address
		err = errEmailTaken
	}
	return err
}
