package transfer

import (
	"compress/gzip"
	"context"
	"database/sql"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"guildhall/platform/database"
)

// ExportOptions say what an archive holds beside the organization.
type ExportOptions struct {
	// PasswordHashes takes those of members whose account is in good standing.
	// They are good wherever the person uses the same password: a secret.
	PasswordHashes bool
}

// Export writes an archive of an organization, as of one moment. It changes
// nothing: a standby or a role that may only read will do. What it wrote is
// worth nothing unless it returns no error.
func (t *Transfer) Export(ctx context.Context, to io.Writer, organizationID uuid.UUID, o ExportOptions) (Summary, error) {
	packed := gzip.NewWriter(to)
	x := export{Transfer: t, to: packed, reading: newReading(t.now()), id: organizationID, options: o}
	err := t.db.Snapshot(database.ForAll(ctx), x.run)
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
	var head chain
	err := x.db.Row(ctx, "SELECT COALESCE(c.sequence, 0), COALESCE(c.hash, '') FROM organizations o LEFT JOIN audit_chains c ON c.id = o.id WHERE o.id = ?", x.id).
		Scan(&head.sequence, &head.hash)
	if database.IsNotFound(err) {
		return ErrNoOrganization
	}
	if err != nil {
		return fmt.Errorf("find organization: %w", err)
	}
	for i := range x.shapes {
		s := &x.shapes[i]
		switch s.line {
		case archiveLine:
			err = x.write(s, formatName, int64(formatVersion), x.reading.now.UTC().Format(time.RFC3339Nano), x.version, x.id.String(), x.options.PasswordHashes)
		case personLine:
			err = x.rows(ctx, s, x.peopleQuery(), x.peopleArgs()...)
		case endLine:
			err = x.write(s, x.number+1, x.sum())
		default:
			err = x.rows(ctx, s, s.query(), x.id)
		}
		if err != nil {
			return err
		}
	}
	if x.chain != head {
		return fmt.Errorf("its audit trail ends with event %d, but %d were written: see `guildhall audit verify`", x.chain.sequence, head.sequence)
	}
	return nil
}

// query reads the rows of a table that are the organization's.
func (s shape) query() string {
	query := "SELECT " + strings.Join(s.names(), ", ") + " FROM " + s.table + " WHERE " + s.whose[0] + " = ?"
	if s.key != "" {
		query += " ORDER BY " + s.key
	}
	return query
}

// peopleQuery reads everybody to whom a row of the organization refers: its
// members, former ones, and whoever changed its standing or somebody's in it.
// Of those who are no members, the name and the email address are all that the
// organization has a right to.
func (x *export) peopleQuery() string {
	var references []string
	for _, s := range x.shapes {
		for _, c := range s.columns {
			if c.person {
				references = append(references, "SELECT "+c.name+" AS id FROM "+s.table+" WHERE "+s.whose[0]+" = k.organization_id")
			}
		}
	}
	bytewise := ""
	if x.db.Driver() == database.Postgres {
		bytewise = ` COLLATE "C"`
	}
	hash := "CAST(NULL AS text)"
	if x.options.PasswordHashes {
		hash = `CASE WHEN m.user_id IS NOT NULL
			AND EXISTS (SELECT 1 FROM user_active_status a WHERE a.user_id = u.id AND a.organization_id IS NULL AND a.deactivated_at IS NULL)
			AND NOT EXISTS (SELECT 1 FROM user_archives a WHERE a.user_id = u.id AND a.restored_at IS NULL)
			AND NOT EXISTS (SELECT 1 FROM user_suspensions s WHERE s.user_id = u.id AND s.organization_id IS NULL
				AND s.lifted_at IS NULL AND (s.suspended_until IS NULL OR s.suspended_until > ` + x.db.Param("timestamptz") + `))
			THEN h.password_hash END`
	}
	return `WITH k AS (SELECT ` + x.db.Param("uuid") + ` AS organization_id), referred AS (` + strings.ReplaceAll(strings.Join(references, " UNION "), "k.organization_id", "(SELECT organization_id FROM k)") + `)
		SELECT u.id, u.email, p.name, CASE WHEN m.user_id IS NOT NULL THEN p.bio END, CASE WHEN m.user_id IS NOT NULL THEN p.avatar_url END,
			u.created_at, u.updated_at, ` + hash + `
		FROM referred r JOIN users u ON u.id = r.id JOIN user_profile p ON p.user_id = u.id
		LEFT JOIN user_login_password h ON h.user_id = u.id
		LEFT JOIN organization_members m ON m.user_id = u.id AND m.organization_id = (SELECT organization_id FROM k)
		ORDER BY u.email_canonical` + bytewise
}

func (x *export) peopleArgs() []any {
	args := []any{x.id}
	if x.options.PasswordHashes {
		args = append(args, x.reading.now)
	}
	return args
}

// rows writes what a query finds, a line each.
func (x *export) rows(ctx context.Context, s *shape, query string, args ...any) error {
	rows, err := x.db.Conn(ctx).Raw(query, args...).Rows()
	if err != nil {
		return fmt.Errorf("read %s lines: %w", s.line, err)
	}
	defer rows.Close()
	cells, into := make([]cell, len(s.columns)), make([]any, len(s.columns))
	for i := range cells {
		into[i] = &cells[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return fmt.Errorf("read %s lines: %w", s.line, err)
		}
		values := make([]any, len(cells))
		for i := range cells {
			values[i] = cells[i].value
		}
		if err := x.write(s, values...); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read %s lines: %w", s.line, err)
	}
	return nil
}

var _ sql.Scanner = (*cell)(nil)

// cell is a value of either database as JSON has it.
type cell struct{ value any }

// Scan implements sql.Scanner.
func (c *cell) Scan(v any) error {
	switch v := v.(type) {
	case time.Time:
		c.value = v.UTC().Format(time.RFC3339Nano)
	case []byte:
		c.value = string(v)
	default:
		c.value = v
	}
	return nil
}

func (x *export) write(s *shape, values ...any) error {
	line, err := s.encode(values)
	if err != nil {
		return fmt.Errorf("%s: %w", s.line, err)
	}
	if _, err := x.take(line); err != nil {
		return fmt.Errorf("the %s %v is not as it could be imported: %w", s.line, values[0], err)
	}
	_, err = x.to.Write(append(line, '\n'))
	return err
}

// encode makes the line of a row: a JSON object, its members in the order of
// the columns.
func (s *shape) encode(values []any) ([]byte, error) {
	line := append([]byte(`{"type":"`), s.line+`"`...)
	for i, c := range s.columns {
		line = append(line, `,"`+c.name+`":`...)
		var err error
		switch v := values[i].(type) {
		case nil:
			line = append(line, "null"...)
		case bool:
			line = fmt.Appendf(line, "%t", v)
		case int64:
			line = fmt.Appendf(line, "%d", v)
		case string:
			line, err = jsontext.AppendQuote(line, v)
		default:
			err = fmt.Errorf("%T is no value of a line", v)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return append(line, '}'), nil
}
