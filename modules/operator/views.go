package operator

import (
	"time"

	"github.com/google/uuid"
	"github.com/swaggest/jsonschema-go"

	"guildhall/platform/access"
	"guildhall/platform/config"
	"guildhall/platform/field"
	"guildhall/platform/inspect"
	"guildhall/platform/signing"
	"guildhall/platform/token"
)

type platformStatusView struct {
	Version   string               `json:"version" example:"v1.4.0"`
	StartedAt time.Time            `json:"started_at" description:"When the process started."`
	Schema    platformSchemaView   `json:"schema"`
	Database  platformDatabaseView `json:"database"`
	Backups   *platformBackupsView `json:"backups" description:"The scheduled backups; null if BACKUP_DIR is not set."`
	Mail      platformMailView     `json:"mail"`
}

type platformSchemaView struct {
	Version string `json:"version" example:"202611241300_audit_events" description:"The newest migration of this version of the service that was applied."`
	Pending int    `json:"pending" description:"How many migrations of this version were not applied."`
	Newer   int    `json:"newer" description:"How many migrations a newer version has applied."`
}

type platformDatabaseView struct {
	Driver        driver `json:"driver" example:"postgres"`
	Version       string `json:"version" example:"18.1" description:"Of SQLite, or of the server."`
	SizeBytes     *int64 `json:"size_bytes" description:"With indexes; null if it is unknown."`
	Standbys      int    `json:"standbys" description:"How many are configured."`
	StandbysInUse int    `json:"standbys_in_use" description:"How many of them serve reads at present."`
}

type platformBackupsView struct {
	IntervalSeconds int64      `json:"interval_seconds" example:"86400"`
	Keep            int        `json:"keep" example:"7" description:"How many are kept."`
	LastAt          *time.Time `json:"last_at" description:"When the last one was started; null if there is none."`
	NextAt          time.Time  `json:"next_at" description:"When the next one is due."`
	Failures        int64      `json:"failures" description:"How many this process failed to make."`
	FailedAt        *time.Time `json:"failed_at" description:"When the last attempt failed; null if it did not."`
	Failure         *string    `json:"failure" description:"Why it failed."`
}

type platformMailView struct {
	Transport       transport  `json:"transport" example:"smtp" description:"none: no mail can be sent; mailbox: mails are only shown, in development."`
	Pending         int64      `json:"pending" description:"How many mails wait to be sent."`
	OldestPendingAt *time.Time `json:"oldest_pending_at" description:"When the oldest of them was written."`
	Failed          int64      `json:"failed" description:"How many could not be sent, in the last 14 days."`
	Suppressed      int64      `json:"suppressed" description:"To how many addresses nothing is sent, because a server refused them for good."`
}

type driver string

func (driver) JSONSchema() (jsonschema.Schema, error) {
	return field.OpenEnum("sqlite", "postgres"), nil
}

type transport string

func (transport) JSONSchema() (jsonschema.Schema, error) {
	return field.OpenEnum("none", "mailbox", "smtp"), nil
}

func statusOf(s inspect.Status) platformStatusView {
	v := platformStatusView{
		Version: s.Version, StartedAt: s.StartedAt,
		Schema: platformSchemaView{Pending: len(s.Schema.Pending), Newer: len(s.Schema.Unknown)},
		Database: platformDatabaseView{
			Driver: driver(s.Database.Driver), Version: s.Database.Version,
			Standbys: s.Database.Standbys, StandbysInUse: s.Database.StandbysInUse,
		},
		Mail: platformMailView{
			Transport: transport(s.Transport),
			Pending:   s.Mail.Pending, OldestPendingAt: s.Mail.Oldest, Failed: s.Mail.Failed, Suppressed: s.Mail.Suppressed,
		},
	}
	if applied := s.Schema.Applied; len(applied) > 0 {
		v.Schema.Version = applied[len(applied)-1]
	}
	if s.Database.Bytes > 0 {
		v.Database.SizeBytes = &s.Database.Bytes
	}
	if b := s.Backups; b != nil {
		v.Backups = &platformBackupsView{
			IntervalSeconds: int64(b.Interval.Seconds()), Keep: b.Keep, LastAt: ifAny(b.Newest), NextAt: b.NextAt,
			Failures: b.Failures, FailedAt: ifAny(b.FailedAt),
		}
		if b.Failure != "" {
			v.Backups.Failure = &b.Failure
		}
	}
	return v
}

func ifAny(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	return &at
}

type platformChecksView struct {
	Findings []platformFindingView `json:"findings"`
	Settings []platformSettingView `json:"settings" description:"Every setting, in the order of the documentation."`
}

type platformFindingView struct {
	OK      bool   `json:"ok" description:"false: not fit for production."`
	Warn    bool   `json:"warn" description:"Possibly a problem; only the operator can tell."`
	Name    string `json:"name" example:"TRUSTED_PROXIES" description:"The setting, or what else was checked."`
	Message string `json:"message" example:"lists 1 address(es) or range(s)" description:"Continues the name, in English."`
}

type platformSettingView struct {
	Name   string `json:"name" example:"LOG_LEVEL"`
	Value  string `json:"value" example:"info" description:"In the form that the setting takes. Secrets, and passwords in URLs, are masked."`
	Source string `json:"source" example:"environment" description:"Where it comes from: flag, environment, .env, default, or the path of a file."`
}

func checksOf(findings []config.Finding, settings []config.Setting) platformChecksView {
	v := platformChecksView{Findings: make([]platformFindingView, len(findings)), Settings: make([]platformSettingView, len(settings))}
	for i, f := range findings {
		v.Findings[i] = platformFindingView(f)
	}
	for i, s := range settings {
		v.Settings[i] = platformSettingView(s)
	}
	return v
}

type platformAdministratorView struct {
	ID        uuid.UUID `json:"id"`
	Email     string    `json:"email" example:"ada@example.com"`
	Name      string    `json:"name" example:"Ada Lovelace"`
	GrantedAt time.Time `json:"granted_at" description:"When they became one."`
}

func viewOf(p access.PlatformAdmin) platformAdministratorView {
	return platformAdministratorView{ID: p.UserID, Email: p.Email, Name: p.Name, GrantedAt: p.GrantedAt}
}

type signingKeysView struct {
	Keys           []signingKeyView `json:"keys" description:"In the order in which they sign."`
	NextRotationAt *time.Time       `json:"next_rotation_at" description:"When the next one is made, by SIGNING_KEY_ROTATION_DAYS. Null: only by command."`
}

type signingKeyView struct {
	ID        string       `json:"id" example:"rD0hTmGH1mrBm0Jt0QbJzbW8k3nqZTWxjHWiGbqPzQk" description:"Its kid, the thumbprint of the public part (RFC 7638). hs256: JWT_SECRET_KEY."`
	Algorithm keyAlgorithm `json:"algorithm" example:"ES256"`
	State     keyState     `json:"state" example:"signing" description:"next: it is published, and will sign; signing: it signs; retiring: it verifies until the last of its tokens has expired; retired: it did; revoked: its tokens were made invalid; unusable: another JWT_SECRET_KEY has encrypted it."`
	CreatedAt time.Time    `json:"created_at"`
	SignsFrom time.Time    `json:"signs_from" description:"Since when it signs, or will."`
	EndsAt    *time.Time   `json:"ends_at" description:"When it stops verifying tokens. Null: that is not known yet."`
}

type keyAlgorithm string

func (keyAlgorithm) JSONSchema() (jsonschema.Schema, error) {
	return field.OpenEnum(token.Algorithms...), nil
}

type keyState signing.State

func (keyState) JSONSchema() (jsonschema.Schema, error) {
	return field.OpenEnum(signing.Next, signing.Signing, signing.Retiring, signing.Retired, signing.Revoked, signing.Unusable), nil
}
