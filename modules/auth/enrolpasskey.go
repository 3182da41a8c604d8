package auth

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/audit"
	"guildhall/platform/fault"
	"guildhall/platform/httpapi"
	"guildhall/platform/token"
)

// This file sets passkeys up, and asks for them.

// askForPasskey asks the caller's browser for a passkey: to log in, to step up, or to set one
// up. Nothing of it needs a mail.
func (svc *Service) askForPasskey(ctx context.Context, in challengeInput) (answer httpapi.Issued[challengeView], err error) {
	if in.Method != nil && *in.Method != askedPasskey {
		return answer, httpapi.Invalid("body.method", fault.NotInEnum.Of(string(askedPasskey)))
	}
	if svc.passkeys == nil {
		return answer, errPasskeysNotConfigured
	}
	if err := svc.limits.client(ctx); err != nil {
		return answer, err
	}
	var q question
	var options json.RawMessage
	switch in.Purpose.purpose() {
	case forLogIn:
		q.purpose = forPasskeyLogIn
		options, q.payload, err = svc.passkeys.request(nil, verified)
	case forStepUp, forPasskey:
		q, options, err = svc.askHolder(ctx, in.Purpose.purpose())
	default:
		return answer, httpapi.Invalid("body.method", fault.NotInEnum.Of(string(askedEmail)))
	}
	if err != nil {
		return answer, err
	}
	q.byToken = true
	answer.Body, err = svc.ask(ctx, q)
	answer.Body.PublicKey = options
	return answer, err
}

// askHolder asks the caller for one of their passkeys (no_passkey), or for a new one
// (too_many_factors).
func (svc *Service) askHolder(ctx context.Context, asked purpose) (q question, options json.RawMessage, err error) {
	caller := access.From(ctx)
	if caller.UserID == uuid.Nil {
		return q, nil, access.ErrAuthenticationRequired
	}
	p, err := svc.store.find(ctx, caller.UserID)
	if err != nil {
		return q, nil, err
	}
	keys, err := svc.store.passkeys(ctx, p.id)
	if err != nil {
		return q, nil, err
	}
	h := svc.passkeys.holderOf(p, keys)
	q.userID, q.sessionID, q.email = uuid.NullUUID{UUID: p.id, Valid: true}, uuid.NullUUID{UUID: caller.SessionID, Valid: true}, p.canonical()
	if asked == forStepUp {
		if len(h.keys) == 0 {
			return q, nil, errNoPasskey
		}
		q.purpose = forPasskeyStepUp
		options, q.payload, err = svc.passkeys.request(&h, verified)
		return q, options, err
	}
	if err := svc.gate.CheckRecent(caller); err != nil {
		return q, nil, err
	}
	if err := svc.checkRoom(ctx, p.id); err != nil {
		return q, nil, err
	}
	q.purpose = forPasskey
	options, q.payload, err = svc.passkeys.create(h)
	return q, options, err
}

// checkRoom refuses one more factor to a person who has too many (too_many_factors).
func (svc *Service) checkRoom(ctx context.Context, userID uuid.UUID) error {
	have, err := svc.store.factors(ctx, userID)
	if err == nil && len(have) >= mostFactors {
		err = errTooManyFactors
	}
	return err
}

// addPasskey makes a passkey a factor, as confirmTOTP does with an authenticator app. It refuses
// one that an account has already (passkey_exists).
func (svc *Service) addPasskey(ctx context.Context, in addPasskeyInput) (answer httpapi.Issued[confirmedFactorView], err error) {
	if svc.passkeys == nil {
		return answer, errPasskeysNotConfigured
	}
	caller := access.From(ctx)
	c, err := svc.store.attempt(ctx, token.HashSecret(string(in.ChallengeToken)), svc.now())
	if err != nil {
		return answer, err
	}
	if c.purpose != forPasskey || c.sessionID.UUID != caller.SessionID { // mutant: own-ceremony
		return answer, errInvalidChallenge
	}
	p, err := svc.store.find(ctx, caller.UserID)
	if err != nil {
		return answer, err
	}
	var asked ceremony
	if err := svc.open(c, &asked); err != nil {
		return answer, err
	}
	made, err := svc.passkeys.created(holder{person: p}, asked, in.Credential)
	if err != nil {
		return answer, errInvalidChallenge.WithCause(err)
	}
	made.name, made.created = "Passkey", svc.now()
	if in.Name != nil {
		made.name = string(*in.Name)
	}
	return answer, svc.changeAccount(ctx, c, func(ctx context.Context) error {
		if err := svc.checkRoom(ctx, p.id); err != nil {
			return err
		}
		switch added, err := svc.store.addPasskey(ctx, p.id, made); {
		case err != nil:
			return err
		case !added:
			return errPasskeyExists
		}
		answer.Body.factorView = viewOf(made.factor())
		return svc.factorAdded(ctx, p, caller.SessionID, byVerifiedPasskey, made.factor(), &answer.Body.RecoveryCodes)
	})
}

// spendAssertion verifies an assertion of a person, and keeps the counter of its passkey, within
// the caller's transaction and under the account's lock (invalid_challenge).
func (svc *Service) spendAssertion(ctx context.Context, p person, asked *ceremony, a *assertion) error {
	if svc.passkeys == nil || asked == nil {
		return errInvalidChallenge
	}
	keys, err := svc.store.passkeys(ctx, p.id)
	if err != nil {
		return err
	}
	used, err := svc.passkeys.used(svc.passkeys.holderOf(p, keys), *asked, a)
	if err != nil {
		return errInvalidChallenge.WithCause(err)
	}
	if err := svc.endRecovery(ctx, p.id); err != nil { // whoever has a factor did not lose them all
		return err
	}
	return svc.store.usePasskey(ctx, p.id, used, svc.now())
}

// recordCopied records that a passkey was refused because it may have been copied, if that is
// what the error says. The refusal rolled back the transaction that the event is about.
func (svc *Service) recordCopied(ctx context.Context, userID uuid.UUID, err error) error {
	var copied copiedError
	if !errors.As(err, &copied) {
		return nil
	}
	return svc.trail.Record(ctx, audit.Event{Action: audit.PasskeyRefused, UserID: userID, Details: map[string]string{"factor_id": copied.id.String()}})
}
