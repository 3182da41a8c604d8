package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"

	"guildhall/platform/database"
)

// ImportOptions are the parameters of an import.
type ImportOptions struct {
	// PasswordHashes gives created accounts the passwords in the archive, which its
	// author can choose. Without this option, or without a hash in the archive, an
	// account has no password and can't be logged in to.
	PasswordHashes bool
	DryRun         bool // everything except the commit
}

// attempts is how often an import is tried if concurrent registrations conflict with
// it.
const attempts = 3

var errDryRun = errors.New("dry run")

// Import adds the organization in an archive to the database: all of it or nothing. It
// reads the archive twice, the first time to its end before it writes anything.
// Importing the same archive again changes nothing.
func (t *Transfer) Import(ctx context.Context, archive io.ReadSeeker, o ImportOptions) (Summary, error) {
	ctx = database.ForAll(ctx)
	shapes, err := t.lines(ctx)
	if err != nil {
		return Summary{}, err
	}
	checked := newReading(shapes, t.now())
	if err := checked.read(archive, func(entry) error { return nil }); err != nil {
		return Summary{}, err
	}
	var s Summary
	for attempt := 1; ; attempt++ {
		err := t.db.InBulk(ctx, func(ctx context.Context) (err error) {
			if s, err = t.unchanged(ctx, checked); err != nil || s.Unchanged {
				return err
			}
			if _, err := archive.Seek(0, io.SeekStart); err != nil {
				return fmt.Errorf("read the archive again: %w", err)
			}
			l := load{Transfer: t, reading: newReading(shapes, t.now()), options: o}
			if s, err = l.run(ctx, archive); err == nil && o.DryRun {
				return errDryRun
			}
			return err
		})
		if errors.Is(err, errDryRun) {
			return s, nil
		}
		if !database.IsDuplicate(err) || attempt == attempts {
			return s, err
		}
	}
}

// unchanged reports whether the organization exists here with everything that is in the
// archive. Every change is an event, so in that case its audit chain contains the
// archive's last event. An organization with a different history is refused, and so is
// one whose retention has deleted the events that would show it.
func (t *Transfer) unchanged(ctx context.Context, checked *reading) (Summary, error) {
	s := checked.summary()
	last := checked.chain
	var name, hash string
	var firstSequence int64
	err := t.db.Row(ctx, `SELECT o.name, COALESCE(c.first_sequence, 1), COALESCE(e.hash, CASE WHEN c.first_sequence = k.sequence + 1 THEN c.first_hash END, '')
		FROM (SELECT `+t.db.Param("bigint")+` AS sequence) k CROSS JOIN organizations o LEFT JOIN audit_chains c ON c.id = o.id
		LEFT JOIN audit_events e ON e.chain_id = o.id AND e.sequence = k.sequence
		WHERE o.id = ?`, last.sequence, checked.organizationID).Scan(&name, &firstSequence, &hash)
	switch {
	case database.IsNotFound(err):
		return s, nil
	case err != nil:
		return s, fmt.Errorf("look for the organization: %w", err)
	case hash != "" && hash == last.hash: // mutant: diverged-organization
		s.Unchanged = true
		return s, nil
	case last.sequence < firstSequence-1:
		return s, fmt.Errorf("the organization %s (%s) already exists here, and its audit log begins with event %d: whether it matches the archive, "+
			"which ends with event %d, can't be determined any more", checked.organizationID, name, firstSequence, last.sequence)
	}
	return s, fmt.Errorf("the organization %s (%s) already exists here and differs from the archive, whose last event is %d: "+
		"an import adds an organization, it never merges or replaces one", checked.organizationID, name, last.sequence)
}
