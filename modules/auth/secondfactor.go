package auth

import (
	"context"
	"fmt"
	"strconv"

	"github.com/google/uuid"

	"guildhall/platform/audit"
	"guildhall/platform/database"
	"guildhall/platform/fault"
	"guildhall/platform/mail"
	"guildhall/platform/token"
)

// This file asks for a second factor and judges it: at a log-in, and at a step-up.

// pendingLogIn is what was proved before a second factor was asked for. It is kept with the
// challenge.
type pendingLogIn struct {
	By        methods       `json:"by"`
	Requested uuid.NullUUID `json:"requested"`
	// Passkey is what the person's authenticator was asked, if they have a passkey.
	Passkey *ceremony `json:"passkey,omitempty"`
	// Identity is linked to the account with the log-in, if a provider began it.
	Identity *identity `json:"identity,omitempty"`
}

// askSecondFactor keeps a log-in until a second factor completes it, within the caller's
// transaction. It returns the refusal that tells the client so.
func (svc *Service) askSecondFactor(ctx context.Context, e entry) (*fault.Error, error) {
	p := e.person
	can, err := svc.provable(ctx, p)
	if err != nil {
		return nil, err
	}
	pending := pendingLogIn{By: e.by, Requested: e.requested, Identity: e.identity}
	told := fault.Challenge{Methods: can.methods}
	if len(can.holder.keys) > 0 {
		// Something else is proved already, so possession is enough for two factors.
		if told.PublicKey, pending.Passkey, err = svc.passkeys.request(&can.holder, ifPossible); err != nil {
			return nil, err
		}
	}
	view, err := svc.ask(ctx, question{
		purpose: forSecondFactor, userID: uuid.NullUUID{UUID: p.id, Valid: true}, email: p.canonical(), byToken: true, payload: pending,
	})
	if err != nil {
		return nil, err
	}
	told.Token, told.ExpiresIn = view.ChallengeToken, view.ExpiresIn
	return errMFARequired.WithChallenge(told), nil
}

// provable is which second factors a person can prove.
type provable struct {
	methods []string
	holder  holder // without passkeys if they have none, or none that can be used here
}

func (svc *Service) provable(ctx context.Context, p person) (can provable, err error) {
	apps, err := svc.store.authenticators(ctx, p.id)
	if err != nil {
		return can, err
	}
	if len(confirmed(apps)) > 0 {
		can.methods = append(can.methods, totpFactor.method())
	}
	if svc.passkeys != nil {
		keys, err := svc.store.passkeys(ctx, p.id)
		if err != nil {
			return can, err
		}
		if can.holder = svc.passkeys.holderOf(p, keys); len(can.holder.keys) > 0 {
			can.methods = append(can.methods, passkeyFactor.method())
		}
	}
	left, err := svc.store.recoveryCodesLeft(ctx, p.id)
	if left > 0 {
		can.methods = append(can.methods, string(byRecoveryCode))
	}
	return can, err
}

// secondFactor is what a client proves beside a password or a mailbox: one of the three.
type secondFactor struct {
	otp, recoveryCode string
	assertion         *assertion
}

func (f secondFactor) method() methods {
	switch {
	case f.otp != "":
		return byOTP
	case f.recoveryCode != "":
		return byRecoveryCode
	case f.assertion != nil:
		return f.assertion.methods()
	default:
		return ""
	}
}

// completeLogIn begins the session of a log-in that lacked a second factor, or that a passkey is
// enough for. Each attempt is counted before it is judged, against the challenge and, unless it
// can't be guessed, against the account. Every refusal is the same (invalid_challenge).
func (svc *Service) completeLogIn(ctx context.Context, challengeToken string, f secondFactor, requested uuid.NullUUID) (tokenView, error) {
	c, err := svc.store.attempt(ctx, token.HashSecret(challengeToken), svc.now())
	if err != nil {
		return tokenView{}, err
	}
	if c.purpose == forPasskeyLogIn {
		return svc.logInByPasskey(ctx, c, f.assertion, requested)
	}
	if c.purpose != forSecondFactor {
		return tokenView{}, errInvalidChallenge
	}
	// A passkey can't be guessed, so a flood of guesses does not lock its holder out.
	if f.assertion == nil { // mutant: passkey-budget
		if err := svc.limits.secondFactor(ctx, c.userID.UUID); err != nil { // mutant: factor-budget
			return tokenView{}, err
		}
	}
	p, err := svc.owner(ctx, c)
	if err != nil {
		return tokenView{}, err
	}
	var before pendingLogIn
	if err := svc.open(c, &before); err != nil {
		return tokenView{}, err
	}
	if !requested.Valid {
		requested = before.Requested
	}
	view, err := svc.enter(ctx, entry{person: p, by: before.By.with(f.method()), requested: requested, identity: before.Identity, prove: func(ctx context.Context, _ logInState) error {
		if f.assertion != nil {
			if err := svc.spendAssertion(ctx, p, before.Passkey, f.assertion); err != nil {
				return err
			}
			return svc.consume(ctx, c)
		}
		switch right, err := svc.spendFactor(ctx, p, f); {
		case err != nil:
			return err
		case !right:
			return errInvalidChallenge
		}
		if err := svc.limits.factorAccepted(ctx, p.id); err != nil {
			return err
		}
		return svc.consume(ctx, c)
	}})
	if errInvalidChallenge.Is(err) && c.attempts >= mostAttempts {
		if err := svc.warn(ctx, p); err != nil {
			return tokenView{}, err
		}
	}
	return view, svc.logInRefused(ctx, p.id, err)
}

// warn tells a person that somebody has the first factor of their account, and guesses the
// second one.
func (svc *Service) warn(ctx context.Context, p person) error {
	ctx = database.For(ctx, database.Tenant{UserID: p.id})
	return svc.db.InTx(ctx, func(ctx context.Context) error {
		if err := svc.gate.LockUser(ctx, p.id); err != nil {
			return err
		}
		return svc.notify(ctx, p, p.email, mail.FactorGuessed, mail.Data{})
	})
}

// spendFactor judges a one-time password or a recovery code and marks it as used, within the
// caller's transaction and under the account's lock.
func (svc *Service) spendFactor(ctx context.Context, p person, f secondFactor) (bool, error) {
	if err := svc.endRecovery(ctx, p.id); err != nil { // whoever has a factor did not lose them all
		return false, err
	}
	if f.otp != "" {
		all, err := svc.store.authenticators(ctx, p.id)
		if err != nil {
			return false, err
		}
		return svc.spendOTP(ctx, p.id, confirmed(all), f.otp)
	}
	now := svc.now()
	right, err := svc.store.spendRecoveryCode(ctx, p.id, token.HashSecret(f.recoveryCode), now)
	if err != nil || !right {
		return false, err
	}
	left, err := svc.store.recoveryCodesLeft(ctx, p.id)
	if err != nil {
		return false, err
	}
	err = svc.trail.Record(ctx, audit.Event{Action: audit.RecoveryCodeUsed, UserID: p.id, Actor: p.id, Details: map[string]string{"left": strconv.Itoa(left)}})
	if err != nil {
		return false, err
	}
	return true, svc.notify(ctx, p, p.email, mail.RecoveryCodeUsed, mail.Data{Left: left})
}

// spendOTP judges a one-time password of some authenticators, and marks it as used
// (otp_unavailable).
func (svc *Service) spendOTP(ctx context.Context, userID uuid.UUID, of []authenticator, otp string) (bool, error) {
	now := svc.now()
	var unreadable error // it must not keep the person from their other apps
	for _, a := range of {
		secret, err := svc.sealer.Open(a.secret, totpPlace(a.id))
		if err != nil {
			unreadable = errOTPUnavailable.WithCause(fmt.Errorf("the secret of an authenticator app: %w", err))
			continue
		}
		step, right := totpStepOf(secret, otp, now)
		if !right {
			continue
		}
		renewed, _, err := svc.sealer.Renew(a.secret, totpPlace(a.id)) // after a change of the secrets
		if err != nil {
			return false, err
		}
		if spent, err := svc.store.spendStep(ctx, userID, a.id, step, renewed, now); err != nil || spent {
			return spent, err
		}
	}
	return false, unreadable
}

// stepUpByFactor renews the proof of the caller's session by a second factor (wrong_otp,
// wrong_recovery_code).
func (svc *Service) stepUpByFactor(ctx context.Context, p person, sessionID uuid.UUID, f secondFactor) (view stepUpView, err error) {
	if err := svc.limits.secondFactor(ctx, p.id); err != nil {
		return view, err
	}
	return view, svc.db.InTx(ctx, func(ctx context.Context) error {
		if err := svc.gate.LockUser(ctx, p.id); err != nil {
			return err
		}
		switch right, err := svc.spendFactor(ctx, p, f); {
		case err != nil:
			return err
		case !right && f.otp != "":
			return errWrongOTP
		case !right:
			return errWrongRecoveryCode
		}
		if err := svc.limits.factorAccepted(ctx, p.id); err != nil {
			return err
		}
		view, err = svc.raise(ctx, p.id, sessionID, f.method())
		return err
	})
}

// stepUpByPasskey renews the proof of the caller's session by a passkey (invalid_challenge).
func (svc *Service) stepUpByPasskey(ctx context.Context, p person, sessionID uuid.UUID, challengeToken string, a *assertion) (view stepUpView, err error) {
	c, err := svc.store.attempt(ctx, token.HashSecret(challengeToken), svc.now())
	if err != nil {
		return view, err
	}
	if c.purpose != forPasskeyStepUp || c.sessionID.UUID != sessionID { // mutant: own-ceremony-step-up
		return view, errInvalidChallenge
	}
	var asked ceremony
	if err := svc.open(c, &asked); err != nil {
		return view, err
	}
	err = svc.changeAccount(ctx, c, func(ctx context.Context) error {
		if err := svc.spendAssertion(ctx, p, &asked, a); err != nil {
			return err
		}
		view, err = svc.raise(ctx, p.id, sessionID, a.methods())
		return err
	})
	if recorded := svc.recordCopied(ctx, p.id, err); recorded != nil {
		return view, recorded
	}
	return view, err
}

// raise adds a second factor to what a session has proved, within the caller's transaction.
func (svc *Service) raise(ctx context.Context, userID, sessionID uuid.UUID, by methods) (stepUpView, error) {
	s, err := svc.sessions.find(ctx, sessionID, userID)
	if err != nil {
		return stepUpView{}, err
	}
	if s == nil {
		return stepUpView{}, errInvalidChallenge
	}
	proved := s.AMR
	if proved.level() == 1 && !proved.has(byPassword) && !proved.has(byEmail) && !proved.has(byProvider) {
		proved = byPassword // a session of an earlier release does not say it
	}
	return svc.renewed(ctx, sessionID, proved.with(by))
}

// mustStepUpByFactor is how a person with a second factor may not step up.
func (svc *Service) mustStepUpByFactor(ctx context.Context, p person) error {
	can, err := svc.provable(ctx, p)
	if err != nil {
		return err
	}
	return errMFARequired.WithChallenge(fault.Challenge{Methods: can.methods})
}
