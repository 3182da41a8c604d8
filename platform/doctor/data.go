package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"guildhall/platform/database"
	"guildhall/platform/integrity"
	"guildhall/platform/migrate"
)

// schema checks the schema. usable is false if the other checks can't rely on it.
func (o Options) schema(ctx context.Context) (findings []Finding, usable bool) {
	const name = "schema"
	status, err := migrate.StatusOf(ctx, o.DB, o.Migrations)
	switch {
	case errors.Is(err, database.ErrHalfCopied):
		return []Finding{{Fail, name, err.Error(), ""}}, false
	case err != nil:
		return []Finding{unknown(name, err)}, false
	case len(status.Unknown) > 0:
		return []Finding{{Fail, name, fmt.Sprintf("is newer than this version: it has %s", strings.Join(status.Unknown, ", ")),
			"run the version that migrated it, or roll back with that one: `guildhall migrate down`"}}, false
	case len(status.Pending) > 0:
		message := fmt.Sprintf("%d migration(s) are pending", len(status.Pending))
		if err := o.DB.MayMigrate(ctx); err != nil {
			return []Finding{{Fail, name, message + ", and " + err.Error(), ""}}, false
		}
		return []Finding{{Fail, name, message,
			"look at `guildhall migrate plan`, then run `guildhall migrate up`"}}, false
	}
	findings = []Finding{{OK, name, fmt.Sprintf("is up to date, %d migrations", len(status.Applied)), ""}}
	if err := o.DB.CheckRowSecurity(ctx, o.Tables); err != nil {
		return append(findings, Finding{Fail, "row-level security", err.Error(), ""}), false // rows that the role can't see would seem to be missing
	}
	if o.DB.Driver() == database.SQLite {
		if err := integrity.CheckSchema(ctx, o.DB, o.Migrations); err != nil {
			findings = append(findings, Finding{Fail, name, err.Error(), "it was changed by hand: undo that, or use `guildhall copy` to create a new file, whose schema is right"})
		}
	}
	return findings, true
}

func (o Options) data(ctx context.Context) []Finding {
	report, err := integrity.Check(ctx, o.DB, o.Invariants)
	if err != nil {
		return []Finding{unknown("data", err)}
	}
	var findings []Finding
	for _, p := range report.Problems {
		findings = append(findings, Finding{Fail, "data", p.String(), p.Remedy})
	}
	if findings == nil {
		findings = []Finding{{OK, "data", "every invariant holds", ""}}
	}
	if len(report.Audit.Broken) == 0 {
		findings = append(findings, Finding{OK, "audit trail", fmt.Sprintf("%d events in %d chains, none changed, removed or inserted; digest %s",
			report.Audit.Events, report.Audit.Chains, report.Audit.Digest), ""})
	}
	return findings
}

// skewAllowed is the difference between two clocks that tokens tolerate, and more than
// enough for clocks that use NTP.
const skewAllowed = 5 * time.Second

// clock compares this machine's clock with the database's and with the newest event: if
// time goes back, expired sessions become valid again.
func (o Options) clock(ctx context.Context) Finding {
	const name, keep = "clock", "synchronize the clocks of all machines by NTP (chrony, systemd-timesyncd)"
	now := o.Now()
	if o.DB.Driver() == database.Postgres {
		var there time.Time
		if err := o.DB.Row(ctx, "SELECT clock_timestamp()").Scan(&there); err != nil {
			return unknown(name, err)
		}
		if apart := there.Sub(now).Abs(); apart > skewAllowed {
			return Finding{Fail, name, fmt.Sprintf("differs by %s from PostgreSQL's", apart.Round(time.Second)), keep}
		}
	}
	rows, err := o.DB.Conn(ctx).Raw("SELECT rotated_at FROM sessions WHERE rotated_at > ? ORDER BY rotated_at DESC LIMIT 1", now.Add(skewAllowed)).Rows()
	if err != nil {
		return unknown(name, err)
	}
	later, err := database.Collect(rows, func(scan func(...any) error) (at time.Time, err error) { return at, scan(&at) })
	if err != nil {
		return unknown(name, err)
	}
	if len(later) > 0 {
		return Finding{Fail, name, fmt.Sprintf("says %s, but a session was used at %s", now.Format(time.RFC3339), later[0].UTC().Format(time.RFC3339)), keep}
	}
	return Finding{OK, name, "agrees with the data", ""}
}
