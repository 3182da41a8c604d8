package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"

	"guildhall/platform/database"
)

// ImportOptions say how an archive is taken.
type ImportOptions struct {
	// PasswordHashes takes those of the archive for the accounts that are made.
	// Whoever made the archive then chose those passwords. Without it, and for
	// who has none in it, no password opens the account.
	PasswordHashes bool
	DryRun         bool // everything but the commit
}

// attempts of an import that somebody else's registration got in the way of.
const attempts = 3

var errDryRun = errors.New("dry run")

// Import puts the organization of an archive into the database: all of it or
// nothing. The archive is read twice, and the first time to its end before
// anything is written. Importing it again changes nothing.
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

// unchanged says whether the organization is here already with all that the
// archive holds: every change of it is an event, so its trail goes through the
// archive's last one. An organization that went another way is left alone, and
// so is one whose retention has forgotten which way it went.
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
		return s, fmt.Errorf("the organization %s (%s) is here already, and its audit trail begins with event %d: whether it is as the archive has it, "+
			"which ends with event %d, can't be told any more", checked.organizationID, name, firstSequence, last.sequence)
	}
	return s, fmt.Errorf("the organization %s (%s) is here already and not as the archive has it, which ends with its event %d: "+
		"an import adds an organization, it never merges or replaces one", checked.organizationID, name, last.sequence)
}
