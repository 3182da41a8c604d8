package moving

import (
	"bufio"
	"compress/gzip"
	"context"
	"database/sql"
	"fmt"
	"io"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/database"
)

// ExportOptions are the optional contents of an exported file.
type ExportOptions struct {
	PasswordHashes bool // they are secrets
	Packed         bool // with gzip
	Now            time.Time
}

// Exported is what a file has.
type Exported struct {
	People        int64 `json:"people"`
	Organizations int64 `json:"organizations"`
	Memberships   int64 `json:"memberships"`
}

// Export writes everybody and all organizations, as of one moment, in the format that Import
// reads. An import of it into an empty database makes the same, except for history: who changed
// what, and when.
func Export(ctx context.Context, db *database.DB, to io.Writer, o ExportOptions) (Exported, error) {
	out := bufio.NewWriterSize(to, 1<<16)
	finish := out.Flush
	var into io.Writer = out
	if o.Packed {
		packed := gzip.NewWriter(out)
		into, finish = packed, func() error {
			if err := packed.Close(); err != nil {
				return err
			}
			return out.Flush()
		}
	}
	x := &exporting{db: db, to: into, options: o}
	err := db.Snapshot(database.ForAll(ctx), func(ctx context.Context) error {
		if err := x.organizations(ctx); err != nil {
			return err
		}
		return x.people(ctx)
	})
	if err == nil {
		err = finish()
	}
	if err != nil {
		return Exported{}, fmt.Errorf("export people: %w", err)
	}
	return x.result, nil
}

type exporting struct {
	db      *database.DB
	to      io.Writer
	options ExportOptions
	result  Exported
}

func (x *exporting) write(r Row) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = x.to.Write(append(line, '\n'))
	return err
}

// stands is what a query selects about a standing.
type stands struct {
	active                bool
	suspended, archived   bool
	reason, archiveReason sql.NullString
	until                 sql.NullTime
	byOperator            bool
}

// members are the values of a standing in a row: nothing if it is good.
func (s stands) members() (words, reason, until, archiveReason *string) {
	of := standing{deactivated: !s.active, suspended: s.suspended, archived: s.archived}
	if of.String() == isActive {
		return nil, nil, nil, nil
	}
	words = new(of.String())
	if s.suspended {
		reason = new(s.reason.String)
		if s.until.Valid {
			until = new(moment(s.until.Time))
		}
	}
	if s.archived {
		archiveReason = new(s.archiveReason.String)
	}
	return words, reason, until, archiveReason
}

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// pages reads a table in pages in the order of ids. read returns the last id of a page, or the
// zero id if there is none.
func pages(read func(after uuid.UUID) (uuid.UUID, error)) error {
	for after := uuid.Nil; ; {
		last, err := read(after)
		if err != nil || last == uuid.Nil {
			return err
		}
		after = last
	}
}

func (x *exporting) organizations(ctx context.Context) error {
	query := `SELECT o.id, o.external_id, o.name, o.created_at, u.email, sa.id IS NOT NULL, ss.id IS NOT NULL, sx.id IS NOT NULL,
			ss.reason, sx.reason, ss.suspended_until, COALESCE(ss.by_operator, TRUE)
		FROM (SELECT id FROM organizations WHERE id > ? ORDER BY id LIMIT ?) page CROSS JOIN (SELECT ` + x.db.Param("timestamptz") + ` AS now) k
		JOIN organizations o ON o.id = page.id
		JOIN organization_owners w ON w.organization_id = o.id JOIN users u ON u.id = w.user_id
		LEFT JOIN organization_active_status sa ON sa.organization_id = o.id AND sa.deactivated_at IS NULL
		LEFT JOIN organization_suspensions ss ON ss.organization_id = o.id AND ` + access.OpenSuspension("ss", "k.now") + `
		LEFT JOIN organization_archives sx ON sx.organization_id = o.id AND ` + access.OpenArchive("sx") + ` ORDER BY o.id`
	return pages(func(after uuid.UUID) (last uuid.UUID, err error) {
		rows, err := x.db.Rows(ctx, query, after, batchSize, x.options.Now)
		if err != nil {
			return last, err
		}
		_, err = database.Collect(rows, func(scan func(...any) error) (none struct{}, err error) {
			var created time.Time
			var s stands
			r := Row{Type: organizationType, Name: new(string), Owner: new(string)}
			err = scan(&last, &r.ExternalID, r.Name, &created, r.Owner, &s.active, &s.suspended, &s.archived, &s.reason, &s.archiveReason, &s.until, &s.byOperator)
			if err != nil {
				return none, err
			}
			r.ID, r.CreatedAt = new(last.String()), new(moment(created))
			r.Standing, r.SuspensionReason, r.SuspendedUntil, r.ArchiveReason = s.members()
			if s.suspended && !s.byOperator {
				r.SuspendedByOwner = new(true)
			}
			x.result.Organizations++
			return none, x.write(r)
		})
		return last, err
	})
}

func (x *exporting) people(ctx context.Context) error {
	hash := "CAST(NULL AS text)"
	if x.options.PasswordHashes { // mutant: exported-hashes
		hash = "h.password_hash"
	}
	query := `SELECT u.id, u.external_id, u.email, u.email_verified_at IS NOT NULL, u.locale, p.name, p.bio, p.avatar_url, u.created_at, ` + hash + `,
			sa.id IS NOT NULL, ss.id IS NOT NULL, sx.id IS NOT NULL, ss.reason, sx.reason, ss.suspended_until
		FROM (SELECT id FROM users WHERE id > ? ORDER BY id LIMIT ?) page CROSS JOIN (SELECT ` + x.db.Param("timestamptz") + ` AS now) k
		JOIN users u ON u.id = page.id JOIN user_profile p ON p.user_id = u.id LEFT JOIN user_login_password h ON h.user_id = u.id
		LEFT JOIN user_active_status sa ON sa.user_id = u.id AND sa.organization_id IS NULL AND sa.deactivated_at IS NULL
		LEFT JOIN user_suspensions ss ON ss.user_id = u.id AND ss.organization_id IS NULL AND ` + access.OpenSuspension("ss", "k.now") + `
		LEFT JOIN user_archives sx ON sx.user_id = u.id AND ` + access.OpenArchive("sx") + ` ORDER BY u.id`
	return pages(func(after uuid.UUID) (last uuid.UUID, err error) {
		memberships, err := x.memberships(ctx, after)
		if err != nil {
			return last, err
		}
		rows, err := x.db.Rows(ctx, query, after, batchSize, x.options.Now)
		if err != nil {
			return last, err
		}
		_, err = database.Collect(rows, func(scan func(...any) error) (none struct{}, err error) {
			var created time.Time
			var s stands
			r := Row{Type: personType, Email: new(string), EmailVerified: new(bool), Name: new(string)}
			err = scan(&last, &r.ExternalID, r.Email, r.EmailVerified, &r.Locale, r.Name, &r.Bio, &r.AvatarURL, &created, &r.PasswordHash,
				&s.active, &s.suspended, &s.archived, &s.reason, &s.archiveReason, &s.until)
			if err != nil {
				return none, err
			}
			r.ID, r.CreatedAt, r.Memberships = new(last.String()), new(moment(created)), memberships[last]
			r.Standing, r.SuspensionReason, r.SuspendedUntil, r.ArchiveReason = s.members()
			x.result.People++
			x.result.Memberships += int64(len(r.Memberships))
			return none, x.write(r)
		})
		return last, err
	})
}

// memberships returns the memberships of a page of people.
func (x *exporting) memberships(ctx context.Context, after uuid.UUID) (map[uuid.UUID][]MembershipRow, error) {
	query := `SELECT m.user_id, m.organization_id, m.joined_at, ow.user_id IS NOT NULL, ad.user_id IS NOT NULL,
			ma.id IS NOT NULL, ms.id IS NOT NULL, ms.reason, ms.suspended_until
		FROM (SELECT id FROM users WHERE id > ? ORDER BY id LIMIT ?) page CROSS JOIN (SELECT ` + x.db.Param("timestamptz") + ` AS now) k
		JOIN organization_members m ON m.user_id = page.id
		LEFT JOIN organization_owners ow ON ow.organization_id = m.organization_id AND ow.user_id = m.user_id
		LEFT JOIN organization_admins ad ON ad.organization_id = m.organization_id AND ad.user_id = m.user_id
		LEFT JOIN user_active_status ma ON ma.user_id = m.user_id AND ma.organization_id = m.organization_id AND ma.deactivated_at IS NULL
		LEFT JOIN user_suspensions ms ON ms.user_id = m.user_id AND ms.organization_id = m.organization_id AND ` + access.OpenSuspension("ms", "k.now") + `
		ORDER BY m.user_id, m.organization_id`
	rows, err := x.db.Rows(ctx, query, after, batchSize, x.options.Now)
	if err != nil {
		return nil, err
	}
	all := map[uuid.UUID][]MembershipRow{}
	_, err = database.Collect(rows, func(scan func(...any) error) (none struct{}, err error) {
		var userID, organizationID uuid.UUID
		var joined time.Time
		var owns, administers bool
		var s stands
		if err := scan(&userID, &organizationID, &joined, &owns, &administers, &s.active, &s.suspended, &s.reason, &s.until); err != nil {
			return none, err
		}
		m := MembershipRow{Organization: new(organizationID.String()), Role: new(access.Member.String()), JoinedAt: new(moment(joined))}
		switch {
		case owns:
			m.Role = new(access.Owner.String())
		case administers:
			m.Role = new(access.Admin.String())
		}
		m.Standing, m.SuspensionReason, m.SuspendedUntil, _ = s.members()
		all[userID] = append(all[userID], m)
		return none, nil
	})
	return all, err
}
