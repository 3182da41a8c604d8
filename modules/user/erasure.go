package user

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/audit"
	"guildhall/platform/database"
	"guildhall/platform/field"
	"guildhall/platform/httpapi"
	"guildhall/platform/mail"
	"guildhall/platform/module"
	"guildhall/platform/person"
	"guildhall/platform/ratelimit"
	"guildhall/platform/schema"
)

// This file erases accounts. Whoever asks for it has their account archived at once. After a
// delay a worker removes everything that is personal. Only the id stays, so that what others
// did with the person keeps its meaning.

// forErasure is the reason of the archive of an account that will be erased.
const forErasure = "The account will be erased."

const (
	erasurePause = time.Minute // of the worker
	erasureBatch = 50
)

// erasing is what an erasure needs of an account.
type erasing struct {
	person.Identity
	due, done *time.Time
	isService bool
	archive   *Archive // in force, or nil
}

// erasing reads the state, under the account's lock.
func (svc *Service) erasing(ctx context.Context, id uuid.UUID) (e erasing, err error) {
	if err := svc.gate.LockUser(ctx, id); err != nil {
		return e, err
	}
	if e, err = svc.store.erasing(ctx, id); err != nil {
		return e, err
	}
	e.archive, err = svc.store.lifecycle.OpenArchive(ctx, subject{userID: id}.key())
	return e, err
}

// requestErasure archives an account, which is erased after the delay. It refuses the owner of
// an organization that has other members (owner_required), the last platform administrator
// (last_platform_administrator), a service account (service_account) and an erased account
// (account_erased). To ask again changes nothing.
func (svc *Service) requestErasure(ctx context.Context, in userPath) (answer httpapi.Accepted[erasureView], err error) {
	id := in.UserID
	err = svc.db.InTx(ctx, func(ctx context.Context) error {
		e, err := svc.erasing(ctx, id)
		if err == nil {
			err = svc.checkVersion(ctx, id)
		}
		switch {
		case err != nil:
			return err
		case e.done != nil:
			return errErased
		case e.isService: // mutant: erasure-of-service
			return errServiceAccount
		case e.due != nil && e.archive != nil: // mutant: erasure-restored-before
			answer.Body.ErasedAt = *e.due
			return nil
		}
		if err := svc.admins.CheckNotLast(ctx, id); err != nil { // mutant: erasure-of-last-admin
			if errors.Is(err, access.ErrLastPlatformAdmin) {
				return errLastPlatformAdmin
			}
			return err
		}
		if e.archive == nil {
			if err := svc.close(ctx, id, forErasure); err != nil {
				return err
			}
		}
		answer.Body.ErasedAt = svc.now().Add(svc.options.ErasureDelay)
		if err := svc.store.setErasure(ctx, id, &answer.Body.ErasedAt, svc.now()); err != nil {
			return err
		}
		err = svc.trail.Record(ctx, audit.Event{
			Action: audit.UserErasureRequested, UserID: id, Details: map[string]string{"erased_at": answer.Body.ErasedAt.Format(time.RFC3339)},
		})
		if err != nil {
			return err
		}
		data := mail.Data{Due: answer.Body.ErasedAt}
		if access.From(ctx).UserID != id {
			data.Role = "platform_administrator"
		}
		return svc.notify(ctx, id, mail.ErasureRequested, data)
	})
	return answer, err
}

// cancelErasure restores an account that was to be erased. Its organizations stay archived. It
// refuses an account whose erasure nobody asked for (not_being_erased), and an erased one
// (account_erased).
func (svc *Service) cancelErasure(ctx context.Context, in userPath) (view userView, err error) {
	err = svc.db.InTx(ctx, func(ctx context.Context) error {
		e, err := svc.erasing(ctx, in.UserID)
		if err == nil {
			err = svc.checkVersion(ctx, in.UserID)
		}
		switch {
		case err != nil:
			return err
		case e.done != nil:
			return errErased
		case e.due == nil:
			return errNotBeingErased
		}
		view, err = svc.unarchive(ctx, unarchiveInput{userPath: in})
		return err
	})
	return view, err
}

// KeepOwn cancels an erasure that the person seems to have asked for, and did not, within the
// caller's transaction. What a platform administrator asked for stays.
func (svc *Service) KeepOwn(ctx context.Context, id uuid.UUID) error {
	e, err := svc.erasing(ctx, id)
	if err != nil || e.due == nil || e.archive == nil || e.archive.ArchivedBy.UUID != id { // mutant: disavowed-verdict
		return err
	}
	// Whoever had archived their account before could not ask: an administrator did.
	if e.archive.Reason != forErasure { // mutant: disavowed-later-verdict
		return nil
	}
	return svc.reopen(ctx, id, nil, uuid.NullUUID{UUID: id, Valid: true})
}

// keep forgets an erasure that was asked for, within the transaction that restores the
// account. It refuses an erased account (account_erased).
func (svc *Service) keep(ctx context.Context, id uuid.UUID) error {
	e, err := svc.store.erasing(ctx, id)
	switch {
	case err != nil:
		return err
	case e.done != nil: // mutant: erased-restored
		return errErased
	case e.due == nil:
		return nil
	}
	if err := svc.store.setErasure(ctx, id, nil, svc.now()); err != nil {
		return err
	}
	return svc.trail.Record(ctx, audit.Event{Action: audit.UserErasureCancelled, UserID: id})
}

// EraseDue erases people whose delay is over. It reports whether there may be more.
func (svc *Service) EraseDue(ctx context.Context) (more bool, err error) {
	ids, err := svc.store.dueForErasure(ctx, svc.now())
	if err != nil {
		return false, err
	}
	var failures []error // of one person, which must not keep the others
	for _, id := range ids {
		if _, err := svc.erase(ctx, id, true); err != nil {
			failures = append(failures, fmt.Errorf("erase %s: %w", id, err))
		}
	}
	return len(ids) == erasureBatch && failures == nil, errors.Join(failures...)
}

// EraseAgain erases people in a database that was restored from a backup of before their
// erasure. It returns how many of them the database has.
func (svc *Service) EraseAgain(ctx context.Context, ids []uuid.UUID) (erased int, err error) {
	for _, id := range ids {
		did, err := svc.erase(ctx, id, false)
		if err != nil {
			return erased, fmt.Errorf("erase %s: %w", id, err)
		}
		if did {
			erased++
		}
	}
	return erased, nil
}

// erase erases a person in one transaction, and says whether it did. If it must be due, it
// leaves people alone whose erasure was cancelled, or done by another process.
func (svc *Service) erase(ctx context.Context, id uuid.UUID, mustBeDue bool) (erased bool, err error) {
	err = svc.db.InTx(database.ForAll(ctx), func(ctx context.Context) error {
		erased = false
		e, err := svc.erasing(ctx, id)
		switch {
		case !mustBeDue && errors.Is(err, access.ErrUserNotFound): // they registered after the backup
			return nil
		case err != nil:
			return err
		case e.done != nil: // mutant: erased-once
			return nil
		case mustBeDue && (e.due == nil || e.due.After(svc.now())): // mutant: erasure-delay
			return nil
		case mustBeDue && e.archive == nil: // an earlier release restored it
			return svc.keep(ctx, id)
		}
		erased = true
		if err := svc.end(ctx, e); err != nil {
			return err
		}
		if err := svc.record(ctx, audit.Event{Action: audit.UserErased, UserID: id}); err != nil {
			return err
		}
		if svc.options.Erased != nil { // before the commit: no backup may bring the person back
			if err := svc.options.Erased(ctx, person.Erased{ID: id, At: svc.now()}); err != nil {
				return err
			}
		}
		if err := svc.people.Erase(ctx, e.Identity); err != nil {
			return err
		}
		return svc.store.anonymise(ctx, id)
	})
	return erased, err
}

// end ends what an account can do, also that of a person whom a restored backup has brought
// back. An organization that others are in stays, with an owner who can't act.
func (svc *Service) end(ctx context.Context, e erasing) error {
	if e.archive == nil {
		by := access.From(ctx).By()
		if err := svc.store.lifecycle.Archive(ctx, subject{userID: e.ID}.key(), forErasure, by, svc.now()); err != nil {
			return err
		}
		if err := svc.beforeArchive(ctx, e.ID, forErasure); err != nil && !errors.Is(err, errOwnsOrganization) {
			return err
		}
	}
	if _, err := svc.admins.Revoke(ctx, e.ID, true); err != nil {
		return err
	}
	return svc.endSessions(ctx, subject{userID: e.ID}, "account_erased")
}

// exporting limits how often the data of one person is collected.
func exporting(id uuid.UUID) ratelimit.Demand {
	return ratelimit.Demand{Policy: ratelimit.Policy{Name: "export", Burst: 10, Interval: time.Minute}, Key: id.String()}
}

// export returns what the service holds about a person.
func (svc *Service) export(ctx context.Context, in userPath) (file httpapi.Download[exportView], err error) {
	e, err := svc.store.erasing(ctx, in.UserID)
	if err != nil {
		return file, err
	}
	if err := svc.limits.Take(ctx, exporting(in.UserID)); err != nil { // mutant: export-limit
		return file, err
	}
	exported, err := svc.people.Export(ctx, e.Identity)
	if err != nil {
		return file, err
	}
	file.Name = "export-" + in.UserID.String() + ".json"
	file.Body, err = json.Marshal(exported)
	return file, err
}

func (s *store) erasing(ctx context.Context, id uuid.UUID) (e erasing, err error) {
	e.ID = id
	err = s.db.Row(database.OnPrimary(ctx), `SELECT u.email_canonical, `+verified+`, u.erase_at, u.erased_at,
			EXISTS (SELECT 1 FROM service_accounts sa WHERE sa.user_id = u.id)
		FROM users u WHERE u.id = ?`, id).Scan(&e.Email, &e.Verified, &e.due, &e.done, &e.isService)
	if database.IsNotFound(err) {
		return e, access.ErrUserNotFound
	}
	if err != nil {
		return e, fmt.Errorf("read whether an account is erased: %w", err)
	}
	return e, nil
}

// setErasure records when an account will be erased, or that it will not be (nil).
func (s *store) setErasure(ctx context.Context, id uuid.UUID, at *time.Time, now time.Time) error {
	_, err := s.db.Exec(ctx, "UPDATE users SET erase_at = ?, updated_at = ?, terms_at = "+sameTerms+" WHERE id = ?", at, now, now, id)
	if err != nil {
		return fmt.Errorf("record when an account is erased: %w", err)
	}
	return nil
}

func (s *store) dueForErasure(ctx context.Context, now time.Time) ([]uuid.UUID, error) {
	rows, err := s.db.Rows(database.OnPrimary(ctx), "SELECT id FROM users WHERE erase_at IS NOT NULL AND erase_at <= ? ORDER BY erase_at LIMIT ?", now, erasureBatch)
	if err != nil {
		return nil, fmt.Errorf("find accounts to erase: %w", err)
	}
	return database.Collect(rows, func(scan func(...any) error) (id uuid.UUID, err error) { return id, scan(&id) })
}

// anonymise replaces the address of an erased account by one that nobody can have, and the
// terms by which the person is found.
func (s *store) anonymise(ctx context.Context, id uuid.UUID) error {
	address := field.ErasedEmail(id.String())
	taken, err := s.db.Count(ctx, "SELECT COUNT(*) FROM users WHERE email_canonical = ?", address.Canonical())
	if err != nil {
		return fmt.Errorf("find an address: %w", err)
	}
	if *taken > 0 { // somebody registered it, to keep the person from being erased // mutant: erased-address-taken
		address = field.ErasedEmail(id.String() + "-" + uuid.NewString()[:8])
	}
	if _, err := s.db.Exec(ctx, "UPDATE users SET email = ?, email_canonical = ? WHERE id = ?", string(address), address.Canonical(), id); err != nil {
		return fmt.Errorf("replace an address: %w", err)
	}
	return s.replaceTerms(ctx, id, schema.Erased, string(address))
}

// eraser is the worker that erases who is due.
func (m *Module) eraser() module.Worker { return module.WorkingOff(erasurePause, m.EraseDue) }
