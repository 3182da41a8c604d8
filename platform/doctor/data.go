package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"guildhall/platform/database"
	"guildhall/platform/integrity"
)

// schema says whether there is one that the rest can be read by.
func (o Options) schema(ctx context.Context) (findings []Finding, usable bool) {
	const name = "schema"
	status, err := o.DB.Status(ctx, o.Migrations)
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
		return append(findings, Finding{Fail, "row-level security", err.Error(), ""}), false // what can't be seen would seem to be missing
	}
	if o.DB.Driver() == database.SQLite {
		if err := integrity.CheckSchema(ctx, o.DB, o.Migrations); err != nil {
			findings = append(findings, Finding{Fail, name, err.Error(), "somebody changed it by hand: undo that, or `guildhall copy` to a new file, which has it right"})
		}
	}
	return findings, true
}

func (o Options) data(ctx context.Context) []Finding {
	report, err := integrity.Check(ctx, o.DB)
	if err != nil {
		return []Finding{unknown("data", err)}
	}
	var findings []Finding
	for _, p := range report.Problems {
		findings = append(findings, Finding{Fail, "data", p.String(), mend(p.What)})
	}
	if findings == nil {
		findings = []Finding{{OK, "data", "every invariant holds", ""}}
	}
	if len(report.Audit.Broken) == 0 {
		findings = append(findings, Finding{OK, "audit trail", fmt.Sprintf("%d events in %d chains, none changed, removed or put in; digest %s",
			report.Audit.Events, report.Audit.Chains, report.Audit.Digest), ""})
	}
	return findings
}

func mend(what string) string {
	switch {
	case strings.HasPrefix(what, "the file is damaged"):
		return "stop the service, keep the file, restore the last backup into another place, and look at the disk"
	case strings.HasPrefix(what, "audit trail"):
		return "somebody wrote to the database by hand, or a disk is faulty: compare with a backup; the trail can't be mended"
	case strings.HasPrefix(what, "I1 "), strings.HasPrefix(what, "I2 "):
		return "name an owner who is a member, by hand: INSERT INTO organization_owners (organization_id, user_id, since) VALUES ('…', '…', '2026-11-25 10:00:00+00:00')"
	case strings.HasPrefix(what, "I6 an email address has"):
		return "somebody wrote to users.email by hand: find out which address is the person's (a backup, the audit trail), and write both columns, email_canonical in lower case"
	case strings.HasPrefix(what, "I13 "):
		return "somebody wrote to these rows by hand: either it ended, and the time is missing, or it did not, and whoever is named did nothing; a backup or the audit trail tells which"
	case strings.HasPrefix(what, "I9 "):
		return "end those sessions by hand: UPDATE sessions SET revoked_at = '2026-11-25 10:00:00+00:00', revoked_reason = 'operator' WHERE id = '…'"
	default:
		return "the schema forbids this, so somebody or something went around it: find out who, and mend the rows by hand or restore a backup"
	}
}

// skewAllowed is what tokens forgive between two clocks, and more than enough
// for two that are kept by NTP.
const skewAllowed = 5 * time.Second

// clock compares this machine's with the database's and with the newest event:
// time that went back lets what has expired live again.
func (o Options) clock(ctx context.Context) Finding {
	const name, keep = "clock", "keep the clocks of all machines by NTP (chrony, systemd-timesyncd)"
	now := o.Now()
	if o.DB.Driver() == database.Postgres {
		var there time.Time
		if err := o.DB.Row(ctx, "SELECT clock_timestamp()").Scan(&there); err != nil {
			return unknown(name, err)
		}
		if apart := there.Sub(now).Abs(); apart > skewAllowed {
			return Finding{Fail, name, fmt.Sprintf("is %s apart from PostgreSQL's", apart.Round(time.Second)), keep}
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
