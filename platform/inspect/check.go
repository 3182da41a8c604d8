package inspect

import (
	"context"
	"fmt"
	"slices"

	"guildhall/platform/audit"
	"guildhall/platform/backup"
	"guildhall/platform/config"
	"guildhall/platform/databaseurl"
	"guildhall/platform/doctor"
	"guildhall/platform/migrate"
	"guildhall/platform/password"
)

// Check runs the production checklist.
func (i *Inspector) Check(ctx context.Context) []config.Finding {
	return Checklist(i.Config, i.CheckStorage(ctx))
}

// Checklist is the whole checklist: the findings about the settings, those about the database
// that CheckStorage returned, and those about files.
func Checklist(cfg *config.Config, storage []config.Finding) []config.Finding {
	findings := append(slices.Concat(cfg.Check(), storage), checkBreached(cfg), checkBackups(cfg))
	for i, f := range findings {
		findings[i].Message = databaseurl.MaskAll(f.Message)
	}
	return findings
}

const aboutDatabase, aboutSchema = "database", "schema"

// Unreachable returns the finding about a database that can't be opened.
func Unreachable(err error) []config.Finding {
	return []config.Finding{{Name: aboutDatabase, Message: err.Error()}}
}

// CheckStorage checks the database: connection, write access, schema, row-level security,
// the retention of the audit log, the signing keys, the API keys, the passkeys and the providers.
func (i *Inspector) CheckStorage(ctx context.Context) []config.Finding {
	answers := []config.Finding{{OK: true, Name: aboutDatabase, Message: "answers"}}
	for _, err := range []error{i.DB.Writable(ctx), i.DB.CheckTimeout(ctx)} {
		if err != nil {
			answers = append(answers, config.Finding{Name: aboutDatabase, Message: err.Error()})
		}
	}
	status, err := migrate.StatusOf(ctx, i.DB, i.Migrations)
	switch {
	case err != nil:
		return Unreachable(err)
	case len(status.Unknown) > 0:
		return append(answers, config.Finding{Name: aboutSchema, Message: "is newer than this version of guildhall"})
	case len(status.Pending) > 0:
		if err := i.DB.MayMigrate(ctx); err != nil {
			return append(answers, config.Finding{Name: aboutSchema, Message: fmt.Sprintf("lacks %d migration(s), and %v", len(status.Pending), err)})
		}
		return append(answers, config.Finding{Name: aboutSchema, Message: fmt.Sprintf("lacks %d migration(s): run `guildhall migrate up`", len(status.Pending))})
	}
	findings := append(answers, config.Finding{OK: true, Name: aboutSchema, Message: "is up to date"})
	if err := i.DB.CheckRowSecurity(ctx, i.Tables); err != nil {
		findings = append(findings, config.Finding{Name: "row-level security", Message: err.Error()})
	}
	if err := audit.NewRetention(i.Trail, i.Config.AuditRetention).Check(ctx); err != nil {
		findings = append(findings, config.Finding{Name: "retention", Message: err.Error()})
	}
	examined := doctor.Options{Config: i.Config, DB: i.DB, Keys: i.Keys, Now: i.Now}
	for _, f := range append(doctor.Keys(ctx, examined), doctor.Passkeys(ctx, examined), doctor.Providers(ctx, examined)) {
		findings = append(findings, ofDoctor(f))
	}
	return findings
}

// ofDoctor returns a finding of the doctor as a line of the checklist.
func ofDoctor(f doctor.Finding) config.Finding {
	message := f.Message
	if f.Remedy != "" {
		message += ": " + f.Remedy
	}
	return config.Finding{OK: f.Level != doctor.Fail, Warn: f.Level == doctor.Warn, Name: f.Name, Message: message}
}

// checkBreached checks whether the list of breached passwords can be used.
func checkBreached(cfg *config.Config) config.Finding {
	const name = "PASSWORD_BREACHED_FILE"
	err := password.CheckBreachedFile(cfg.PasswordBreachedFile)
	switch {
	case err != nil:
		return config.Finding{Name: name, Message: err.Error()}
	case cfg.PasswordBreachedFile == "":
		return config.Finding{OK: true, Name: name, Message: "is none: only the built-in list of common passwords is refused"}
	default:
		return config.Finding{OK: true, Name: name, Message: "is a sorted list: breached passwords are refused"}
	}
}

// checkBackups checks whether the service can write scheduled backups.
func checkBackups(cfg *config.Config) config.Finding {
	const name = "BACKUP_DIR"
	if cfg.BackupDir == "" {
		return config.Finding{OK: true, Name: name, Message: "is not set: make backups with `guildhall backup`"}
	}
	there, err := backup.TryDir(cfg.BackupDir)
	switch {
	case err != nil:
		return config.Finding{Name: name, Message: "can't be written to: " + err.Error()}
	case !there:
		return config.Finding{OK: true, Name: name, Message: "does not exist yet: the service will create it"}
	default:
		return config.Finding{OK: true, Name: name, Message: "can be written to"}
	}
}
