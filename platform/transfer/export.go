package transfer

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/database"
)

// ExportOptions are the optional contents of an archive.
type ExportOptions struct {
	// PasswordHashes includes the password hashes of active members. They are secrets,
	// because people may use the same password elsewhere.
	PasswordHashes bool
}

// Export writes an archive of an organization, with the state of one moment. It changes
// nothing, so it works on a standby and with a read-only role. If it returns an error,
// what it wrote is useless.
func (t *Transfer) Export(ctx context.Context, to io.Writer, organizationID uuid.UUID, o ExportOptions) (Summary, error) {
	packed := gzip.NewWriter(to)
	shapes, err := t.lines(ctx)
	if err != nil {
		return Summary{}, err
	}
	x := export{Transfer: t, to: packed, reading: newReading(shapes, t.now()), id: organizationID, options: o}
	err = t.db.Snapshot(database.ForAll(ctx), x.run)
	if err == nil {
		err = packed.Close()
	}
	if err != nil {
		return Summary{}, fmt.Errorf("export %s: %w", organizationID, err)
	}
	return x.summary(), nil
}

type export struct {
	*Transfer
	*reading
	to      io.Writer
	id      uuid.UUID
	options ExportOptions
}

func (x *export) run(ctx context.Context) error {
	var sequence, firstSequence int64
	var hash string
	var firstHash cell
	err := x.db.Row(ctx, `SELECT COALESCE(c.sequence, 0), COALESCE(c.hash, ''), COALESCE(c.first_sequence, 1), NULLIF(c.first_hash, '')
		FROM organizations o LEFT JOIN audit_chains c ON c.id = o.id WHERE o.id = ?`, x.id).Scan(&sequence, &hash, &firstSequence, &firstHash)
	if database.IsNotFound(err) {
		return ErrNoOrganization
	}
	if err != nil {
		return fmt.Errorf("find organization: %w", err)
	}
	for i := range x.shapes {
		s := &x.shapes[i]
		switch s.Type {
		case archiveLine:
			err = x.write(s, formatName, int64(formatVersion), x.reading.now.UTC().Format(time.RFC3339Nano), x.version, x.id.String(), x.options.PasswordHashes)
		case personLine:
			err = x.rows(ctx, s, x.peopleQuery(), x.id, x.reading.now)
		case chainLine:
			err = x.write(s, firstSequence, firstHash.value)
		case endLine:
			err = x.write(s, x.number+1, x.sum())
		default:
			err = x.rows(ctx, s, s.query(), x.id)
		}
		if err != nil {
			return err
		}
	}
	if x.chain.sequence != sequence || x.chain.hash != hash {
		return fmt.Errorf("its audit log ends with event %d, but %d were written: see `guildhall audit verify`", x.chain.sequence, sequence)
	}
	return nil
}

// query returns the SELECT of the organization's rows of a table.
func (s shape) query() string {
	query := "SELECT " + strings.Join(s.Names(), ", ") + " FROM " + s.table + " WHERE " + s.whose[0] + " = ?"
	if s.Key != "" {
		query += " ORDER BY " + s.Key
	}
	return query
}
