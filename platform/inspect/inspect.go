// Package inspect tells operators about the installation that the process is part of:
// its status, and the production checklist.
package inspect

import (
	"context"
	"time"

	"guildhall/platform/audit"
	"guildhall/platform/backup"
	"guildhall/platform/config"
	"guildhall/platform/database"
	"guildhall/platform/databaseurl"
	"guildhall/platform/mail"
	"guildhall/platform/migrate"
	"guildhall/platform/schema"
	"guildhall/platform/signing"
)

// Inspector is the parts of a process that operators ask about.
type Inspector struct {
	Config *config.Config
	DB     *database.DB
	Trail  *audit.Trail
	Mail   *mail.Outbox
	Keys   *signing.Store
	Now    func() time.Time

	// Set once the modules are mounted.
	Version    string
	StartedAt  time.Time
	Migrations []migrate.Migration
	Tables     []schema.Table
	Backups    *backup.Schedule // nil if none are scheduled
}

// Status is what runs, on what, and how its background work is doing.
type Status struct {
	Version   string
	StartedAt time.Time // of this process
	Schema    migrate.Status
	Database  Database
	Backups   *Backups // nil if none are scheduled
	Transport mail.Transport
	Mail      mail.Queue
}

// Database is the database that the process uses.
type Database struct {
	Driver                  database.Driver
	Version                 string
	Bytes                   int64
	Standbys, StandbysInUse int
}

// Backups is the state of the scheduled backups.
type Backups struct {
	Interval time.Duration
	Keep     int
	Newest   time.Time // when the last one was started; zero if there is none
	NextAt   time.Time
	Failures int64     // of this process
	FailedAt time.Time // when the last attempt of all processes failed; zero if it did not
	Failure  string
}

// Status returns the status.
func (i *Inspector) Status(ctx context.Context) (s Status, err error) {
	s = Status{Version: i.Version, StartedAt: i.StartedAt, Backups: i.backups(), Transport: i.Mail.Transport()}
	s.Database.Driver = i.DB.Driver()
	s.Database.Standbys, s.Database.StandbysInUse = i.DB.Standbys()
	if s.Database.Version, err = i.DB.ServerVersion(ctx); err != nil {
		return s, err
	}
	if s.Database.Bytes, err = i.DB.Size(ctx); err != nil {
		return s, err
	}
	if s.Schema, err = migrate.StatusOf(ctx, i.DB, i.Migrations); err != nil {
		return s, err
	}
	s.Mail, err = i.Mail.State(ctx)
	return s, err
}

func (i *Inspector) backups() *Backups {
	schedule := i.Backups
	if schedule == nil {
		return nil
	}
	b := Backups{Interval: schedule.Interval, Keep: schedule.Keep, Newest: schedule.Newest(), NextAt: schedule.NextAt(), Failures: schedule.Failures()}
	at, cause, err := backup.LastFailure(schedule.Dir)
	if err != nil {
		at, cause = i.Now(), err.Error()
	}
	b.FailedAt, b.Failure = at, databaseurl.MaskAll(cause)
	return &b
}
