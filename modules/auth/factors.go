package auth

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/audit"
	"guildhall/platform/httpapi"
	"guildhall/platform/mail"
	"guildhall/platform/token"
)

// This file sets up second factors and recovery codes. secondfactor.go asks for them.

const (
	mostFactors   = 10
	recoveryCodes = 10 // how many a person gets
)

// listFactors lists the caller's second factors.
func (svc *Service) listFactors(ctx context.Context, _ struct{}) (view factorsView, err error) {
	userID := access.From(ctx).UserID
	have, err := svc.store.factors(ctx, userID)
	if err != nil {
		return view, err
	}
	view.Factors = []factorView{}
	for _, f := range have {
		view.Factors = append(view.Factors, viewOf(f))
	}
	if view.RecoveryCodesLeft, err = svc.store.recoveryCodesLeft(ctx, userID); err != nil {
		return view, err
	}
	view.RecoversAt, err = svc.store.recovery(ctx, userID, svc.now())
	return view, err
}

func confirmed(all []authenticator) []authenticator {
	return slices.DeleteFunc(slices.Clone(all), func(a authenticator) bool { return !a.confirmed.Valid })
}

func viewOf(f factor) factorView {
	v := factorView{ID: f.id, Kind: f.kind, Name: f.name, CreatedAt: f.created.UTC(), BackedUp: f.backedUp}
	if f.lastUsed.Valid {
		v.LastUsedAt = new(f.lastUsed.Time.UTC())
	}
	return v
}

// offerTOTP returns a new secret for an authenticator app. It becomes a factor when a code
// confirms it. It refuses to a person with too many factors (too_many_factors).
func (svc *Service) offerTOTP(ctx context.Context, in offerInput) (answer httpapi.Issued[totpView], err error) {
	caller := access.From(ctx)
	p, err := svc.store.find(ctx, caller.UserID)
	if err != nil {
		return answer, err
	}
	raw, err := newTOTPSecret()
	if err != nil {
		return answer, err
	}
	a := authenticator{id: uuid.Must(uuid.NewV7()), name: "Authenticator app", created: svc.now()}
	if in.Name != nil {
		a.name = string(*in.Name)
	}
	if a.secret, err = svc.sealer.Seal(raw, totpPlace(a.id)); err != nil {
		return answer, err
	}
	secret := base32Secret.EncodeToString(raw)
	answer.Body = totpView{ID: a.id, Secret: secret, URI: totpURI(secret, svc.options.Product, p.email)}
	if answer.Body.QR, err = qrSVG(answer.Body.URI); err != nil {
		return answer, err
	}
	return answer, svc.db.InTx(ctx, func(ctx context.Context) error {
		if err := svc.gate.LockUser(ctx, p.id); err != nil {
			return err
		}
		if err := svc.checkRoom(ctx, p.id); err != nil {
			return err
		}
		return svc.store.offerAuthenticator(ctx, p.id, a)
	})
}

// totpPlace is where a secret is sealed for.
func totpPlace(id uuid.UUID) string { return "totp " + id.String() }

// confirmTOTP makes an authenticator app a factor. With the first factor, the person gets
// recovery codes. Every other session ends: whoever has one has proved less than is asked for
// from now on.
func (svc *Service) confirmTOTP(ctx context.Context, in confirmFactorInput) (answer httpapi.Issued[confirmedFactorView], err error) {
	caller := access.From(ctx)
	p, err := svc.store.find(ctx, caller.UserID)
	if err != nil {
		return answer, err
	}
	if err := svc.limits.secondFactor(ctx, p.id); err != nil {
		return answer, err
	}
	return answer, svc.db.InTx(ctx, func(ctx context.Context) error {
		if err := svc.gate.LockUser(ctx, p.id); err != nil {
			return err
		}
		all, err := svc.store.authenticators(ctx, p.id)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(all, func(a authenticator) bool { return a.id == in.FactorID && !a.confirmed.Valid })
		if i < 0 {
			return errFactorNotFound
		}
		if err := svc.checkRoom(ctx, p.id); err != nil { // a passkey may have taken it
			return err
		}
		switch right, err := svc.spendOTP(ctx, p.id, all[i:i+1], string(in.OTP)); {
		case err != nil:
			return err
		case !right:
			return errWrongOTP
		}
		now := svc.now()
		if err := svc.store.confirmAuthenticator(ctx, p.id, in.FactorID, now); err != nil {
			return err
		}
		all[i].confirmed.Time = now
		answer.Body.factorView = viewOf(all[i].factor())
		answer.Body.LastUsedAt = &now
		return svc.factorAdded(ctx, p, caller.SessionID, byOTP, all[i].factor(), &answer.Body.RecoveryCodes)
	})
}

// factorAdded completes the set-up of a factor, within the caller's transaction: it issues
// recovery codes with the first one, raises the caller's session and ends all others.
func (svc *Service) factorAdded(ctx context.Context, p person, sessionID uuid.UUID, by methods, added factor, codes *[]string) error {
	now := svc.now()
	enrolled, err := svc.store.enrolled(ctx, p.id)
	if err != nil {
		return err
	}
	if !enrolled {
		if err := svc.users.SetEnrolled(ctx, p.id, &now); err != nil {
			return err
		}
		if *codes, err = svc.newRecoveryCodes(ctx, p.id); err != nil {
			return err
		}
	}
	if err := svc.trail.Record(ctx, audit.Event{Action: audit.FactorAdded, UserID: p.id, Details: map[string]string{"method": added.kind.method()}}); err != nil {
		return err
	}
	if err := svc.sessions.endOthers(ctx, p.id, sessionID, "factor_added"); err != nil { // mutant: factor-ends-sessions
		return err
	}
	if _, err := svc.raise(ctx, p.id, sessionID, by); err != nil {
		return err
	}
	return svc.notify(ctx, p, p.email, mail.FactorAdded, mail.Data{Factor: added.name})
}

// renameFactor renames a factor of the caller (factor_not_found).
func (svc *Service) renameFactor(ctx context.Context, in renameFactorInput) (view factorView, err error) {
	userID := access.From(ctx).UserID
	return view, svc.db.InTx(ctx, func(ctx context.Context) error {
		found, err := svc.store.renameFactor(ctx, userID, in.FactorID, string(in.Name))
		if err != nil {
			return err
		}
		if !found {
			return errFactorNotFound
		}
		have, err := svc.store.factors(ctx, userID)
		if err != nil {
			return err
		}
		view = viewOf(have[slices.IndexFunc(have, func(f factor) bool { return f.id == in.FactorID })])
		return nil
	})
}

// removeFactor removes a factor of the caller (factor_not_found). It refuses to take the last way
// to log in (last_log_in_method). With the last factor, the recovery codes end, and the session has
// proved one factor only. Every other session ends.
func (svc *Service) removeFactor(ctx context.Context, in factorPath) (none httpapi.NoContent, err error) {
	return none, svc.changingOneself(ctx, func(ctx context.Context, p person) error {
		have, err := svc.store.factors(ctx, p.id)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(have, func(f factor) bool { return f.id == in.FactorID })
		if i < 0 {
			return errFactorNotFound
		}
		if err := svc.store.removeFactor(ctx, p.id, in.FactorID); err != nil {
			return err
		}
		if have[i].kind == passkeyFactor {
			if err := svc.checkWayIn(ctx, p); err != nil { // mutant: last-passkey
				return err
			}
		}
		if err := svc.trail.Record(ctx, audit.Event{Action: audit.FactorRemoved, UserID: p.id, Details: map[string]string{"method": have[i].kind.method()}}); err != nil {
			return err
		}
		if err := svc.sessions.endOthers(ctx, p.id, access.From(ctx).SessionID, "factor_removed"); err != nil {
			return err
		}
		if len(have) == 1 {
			if err := svc.unenrol(ctx, p.id); err != nil {
				return err
			}
		}
		return svc.notify(ctx, p, p.email, mail.FactorRemoved, mail.Data{Factor: have[i].name})
	})
}

// unenrol follows the removal of a person's last factor, within the caller's transaction.
func (svc *Service) unenrol(ctx context.Context, userID uuid.UUID) error {
	if err := svc.users.SetEnrolled(ctx, userID, nil); err != nil {
		return err
	}
	if err := svc.store.replaceRecoveryCodes(ctx, userID, nil, svc.now()); err != nil {
		return err
	}
	return svc.sessions.lower(ctx, userID) // mutant: unenrolled-sessions
}

// removeFactorsSince removes what a person set up since a time, within the caller's
// transaction.
func (svc *Service) removeFactorsSince(ctx context.Context, userID uuid.UUID, since time.Time) error {
	enrolled, err := svc.store.enrolled(ctx, userID)
	if err != nil {
		return err
	}
	left, err := svc.store.removeFactorsSince(ctx, userID, since)
	if err != nil || !enrolled || left > 0 {
		return err
	}
	return svc.unenrol(ctx, userID)
}

// renewRecoveryCodes replaces the caller's recovery codes. It refuses to a person without a
// factor (no_factor).
func (svc *Service) renewRecoveryCodes(ctx context.Context, _ struct{}) (answer httpapi.Issued[recoveryCodesView], err error) {
	return answer, svc.changingOneself(ctx, func(ctx context.Context, p person) error {
		enrolled, err := svc.store.enrolled(ctx, p.id)
		if err != nil {
			return err
		}
		if !enrolled {
			return errNoFactor
		}
		if answer.Body.RecoveryCodes, err = svc.newRecoveryCodes(ctx, p.id); err != nil {
			return err
		}
		if err := svc.trail.Record(ctx, audit.Event{Action: audit.RecoveryCodesCreated, UserID: p.id}); err != nil {
			return err
		}
		return svc.notify(ctx, p, p.email, mail.RecoveryCodesReplaced, mail.Data{})
	})
}

// newRecoveryCodes replaces the recovery codes of a person, within the caller's transaction.
func (svc *Service) newRecoveryCodes(ctx context.Context, userID uuid.UUID) ([]string, error) {
	codes, hashes := make([]string, recoveryCodes), make([]string, recoveryCodes)
	for i := range codes {
		raw := make([]byte, 15) // 120 bits: too many to guess, so a fast hash suffices
		if _, err := rand.Read(raw); err != nil {
			return nil, err
		}
		code := base32Secret.EncodeToString(raw)
		hashes[i] = token.HashSecret(code)
		var groups []string
		for group := range slices.Chunk([]byte(code), 4) {
			groups = append(groups, string(group))
		}
		codes[i] = strings.Join(groups, "-")
	}
	return codes, svc.store.replaceRecoveryCodes(ctx, userID, hashes, svc.now())
}

// removeAllFactors removes every second factor of a person, within the caller's transaction: the
// event and the mail say why. It ends their sessions.
func (svc *Service) removeAllFactors(ctx context.Context, p person, why audit.Event, reason string, notice mail.Kind) error {
	if err := svc.removeFactorsSince(ctx, p.id, time.Time{}); err != nil {
		return err
	}
	why.UserID = p.id
	if err := svc.trail.Record(ctx, why); err != nil {
		return err
	}
	if err := svc.sessions.EndAll(ctx, p.id, reason); err != nil {
		return err
	}
	return svc.notify(ctx, p, p.email, notice, mail.Data{})
}
