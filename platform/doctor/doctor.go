// Package doctor examines an installation: the data, the database, the machine and the
// backups. It reports what is wrong and how to fix it, and changes nothing.
package doctor

import (
	"context"
	"fmt"
	"time"

	"guildhall/platform/config"
	"guildhall/platform/database"
	"guildhall/platform/mail"
	"guildhall/platform/migrate"
	"guildhall/platform/schema"
	"guildhall/platform/signing"
)

// Level is the severity of a finding.
type Level string

const (
	OK   Level = "ok"
	Note Level = "note" // worth knowing
	Warn Level = "warn" // will become a problem
	Fail Level = "fail" // is a problem now
)

// Finding is the result of one check.
type Finding struct {
	Level   Level  `json:"level"`
	Name    string `json:"name"`
	Message string `json:"message"`
	Remedy  string `json:"mend,omitempty"` // what to do about it
}

func (f Finding) String() string {
	line := fmt.Sprintf("%-4s  %s: %s", f.Level, f.Name, f.Message)
	if f.Remedy != "" {
		line += "\n      -> " + f.Remedy
	}
	return line
}

// Options are what the doctor examines.
type Options struct {
	Config     *config.Config
	DB         *database.DB
	Migrations []migrate.Migration
	Tables     []schema.Table
	Invariants []schema.Invariant
	Mail       *mail.Outbox
	Keys       *signing.Store
	Now        func() time.Time
}

// Examine runs all checks. A check that can't run is a finding, too.
func Examine(ctx context.Context, o Options) []Finding {
	ctx = database.ForAll(ctx)
	findings, usable := o.schema(ctx)
	if usable {
		findings = append(findings, o.data(ctx)...)
		findings = append(findings, o.clock(ctx), o.mail(ctx))
		findings = append(findings, o.keys(ctx)...)
		findings = append(findings, o.passkeys(ctx), o.providers(ctx))
	}
	if o.DB.Driver() == database.SQLite {
		findings = append(findings, o.file()...)
	} else {
		findings = append(findings, o.server(ctx)...)
	}
	findings = append(findings, o.breachedPasswords()...)
	return append(findings, o.backups()...)
}

// unknown returns the finding of a check that could not run.
func unknown(name string, err error) Finding {
	return Finding{Fail, name, "can't be checked: " + err.Error(), ""}
}

func bytes(n int64) string {
	const unit = 1 << 10
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, suffix := float64(n), ""
	for _, suffix = range []string{"KiB", "MiB", "GiB", "TiB"} {
		if value /= unit; value < unit {
			break
		}
	}
	return fmt.Sprintf("%.1f %s", value, suffix)
}
