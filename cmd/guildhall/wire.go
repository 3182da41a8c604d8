package main

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"guildhall/modules/account"
	"guildhall/modules/audit"
	"guildhall/modules/auth"
	"guildhall/modules/console"
	"guildhall/modules/invitation"
	"guildhall/modules/machine"
	"guildhall/modules/membership"
	"guildhall/modules/operator"
	"guildhall/modules/organization"
	"guildhall/modules/revocation"
	"guildhall/modules/user"
	"guildhall/platform"
	"guildhall/platform/access"
	"guildhall/platform/backup"
	"guildhall/platform/config"
	"guildhall/platform/module"
	"guildhall/platform/person"
)

// services holds the modules' services, which routes and commands share.
type services struct {
	auth          *auth.Service
	users         *user.Service
	organizations *organization.Service
	memberships   *membership.Service
	machines      *machine.Service
}

// wire builds the services and their modules. It is the only place that knows all of
// them. Each service gets the parts of the kernel that it uses and, through interfaces
// that it declares itself, the other services.
func wire(k *platform.Kernel) (services, []module.Module) {
	cfg := k.Config
	sessions := auth.NewSessions(k.DB, k.Trail, k.Now)
	users := user.NewService(user.Dependencies{
		DB: k.DB, Gate: k.Gate, Trail: k.Trail, Sessions: sessions, Passwords: auth.NewPasswords(k.DB, k.Hasher, k.Rules, k.Now),
		People: k.People, Admins: access.NewPlatformAdmins(k.DB, k.Trail, k.Now), Limits: k.Limits, Now: k.Now,
	}, user.Options{ErasureDelay: cfg.ErasureDelay, Erased: rememberErased(cfg)})
	memberships := membership.NewService(membership.Dependencies{
		DB: k.DB, Gate: k.Gate, Trail: k.Trail, Limits: k.Limits, Users: users, Mail: k.Mail, Now: k.Now,
	})
	organizations := organization.NewService(organization.Dependencies{
		DB: k.DB, Gate: k.Gate, Trail: k.Trail, Memberships: memberships, Now: k.Now,
	})
	invitations := invitation.NewService(invitation.Dependencies{
		DB: k.DB, Gate: k.Gate, Trail: k.Trail, Limits: k.Limits, Mail: k.Mail, Memberships: memberships, LinkBase: cfg.LinkBase(), Now: k.Now,
	})
	passkeyDomain, passkeyOrigins := cfg.Passkeys()
	auths := auth.NewService(auth.Dependencies{
		DB: k.DB, Gate: k.Gate, Trail: k.Trail, Hasher: k.Hasher, Rules: k.Rules, Tokens: k.Tokens, Sessions: sessions,
		Users: users, Organizations: organizations, Invitations: invitations, Admins: access.NewPlatformAdmins(k.DB, k.Trail, k.Now), Limits: k.Limits, Mail: k.Mail, Sealer: k.Sealer, Meter: k.Telemetry, Log: k.Log, Now: k.Now,
	}, auth.Options{
		Registration:     cfg.EnableRegistration,
		ConfirmEmail:     cfg.ConfirmEmail,
		LogInByEmail:     cfg.LogInByEmail,
		LinkBase:         cfg.LinkBase(),
		Product:          cmp.Or(cfg.ProductName, "Guildhall"),
		RecoveryDelay:    cfg.FactorRecoveryDelay,
		PasskeyDomain:    passkeyDomain,
		PasskeyOrigins:   passkeyOrigins,
		Providers:        providersOf(cfg),
		RedirectURIs:     cfg.Callbacks(),
		AppleCallback:    cfg.AppleCallback(),
		Rotation:         cfg.RefreshRotation,
		Grace:            cfg.RefreshGrace,
		SessionLifetime:  cfg.RefreshTokenTTL,
		SessionRetention: cfg.SessionRetention,
	})
	machines := machine.NewService(machine.Dependencies{
		DB: k.DB, Gate: k.Gate, Trail: k.Trail, Limits: k.Limits, Users: users, Memberships: memberships, Sessions: sessions, Tokens: k.Tokens, Meter: k.Telemetry, Now: k.Now,
	}, machine.Options{Prefix: cfg.APIKeyPrefix, Longest: cfg.APIKeyLongest, Issuer: cfg.JWTIssuer, Audience: cfg.JWTAudience, URL: cfg.PageBase()})
	users.Connect(memberships.AddToOrganization, organizations.ArchiveWithOwner, invitations.Withdraw, auths.Notify)
	invitations.Connect(auths)
	memberships.Connect(invitations.Withdraw, auths.Notify, machines.MemberRemoved)
	return services{auth: auths, users: users, organizations: organizations, memberships: memberships, machines: machines}, []module.Module{
		auth.NewModule(auths), user.NewModule(users), organization.NewModule(organizations),
		membership.NewModule(memberships), invitation.NewModule(invitations), machine.NewModule(machines), revocation.NewModule(k.Feed), audit.NewModule(k.Gate, k.Trail),
		operator.NewModule(k.Inspector, access.NewPlatformAdmins(k.DB, k.Trail, k.Now), k.Keyset),
		account.NewModule(account.Options{
			LogInOnly: !cfg.AccountPages, Registration: cfg.EnableRegistration, Mail: k.Mail.Configured(), LogInByEmail: cfg.LogInByEmail && k.Mail.Configured(),
			Passkeys: cfg.PagesHavePasskeys(), Providers: buttonsOf(cfg), Callback: cfg.PageBase() + config.CallbackPath,
			ErasureDays: int(cfg.ErasureDelay / (24 * time.Hour)),
		}),
		console.NewModule(console.Options{Mail: k.Mail.Configured(), Mailbox: k.Mail.MailboxPath()}),
	}
}

// providersOf returns the services with which people may log in, for those who ask them.
func providersOf(cfg *config.Config) (list []auth.Provider) {
	for _, p := range cfg.Providers {
		key, _ := p.Key() // nil but for Apple, whose key was checked when the settings were read
		list = append(list, auth.Provider{
			ID: p.ID, Kind: auth.ProviderKind(p.Kind), Name: p.Name, Issuer: p.Issuer, ClientID: p.ClientID, ClientSecret: p.ClientSecret.Reveal(),
			PrivateKey: key, KeyID: p.KeyID, TeamID: p.TeamID,
		})
	}
	return list
}

// buttonsOf returns the same for the pages.
func buttonsOf(cfg *config.Config) (list []account.Provider) {
	for _, p := range cfg.Providers {
		list = append(list, account.Provider{ID: p.ID, Name: p.Name})
	}
	return list
}

// rememberErased returns what notes each erased person beside the scheduled backups, so that
// a restore of an earlier one erases them again; nil without a directory of backups.
func rememberErased(cfg *config.Config) func(context.Context, person.Erased) error {
	if cfg.BackupDir == "" {
		return nil
	}
	return func(_ context.Context, p person.Erased) error {
		return backup.NoteErased(cfg.BackupDir, p) // mutant: erased-noted
	}
}

// guildhall is the whole program with an open database: the kernel, the services, and the
// app that serves them.
type guildhall struct {
	*platform.Kernel
	services
	app *platform.App
}

// open opens the database and builds everything, without serving.
func open(ctx context.Context, cfg *config.Config, log *slog.Logger, o platform.Options) (*guildhall, error) {
	k, err := platform.Open(ctx, cfg, log, o)
	if err != nil {
		return nil, err
	}
	services, modules := wire(k)
	app, err := platform.New(k, version, modules...)
	if err != nil {
		_ = k.DB.Close()
		return nil, err
	}
	return &guildhall{Kernel: k, services: services, app: app}, nil
}

// describe builds the app without a database, to read its routes and migrations.
func describe() (*platform.App, error) {
	k, err := platform.Unopened()
	if err != nil {
		return nil, err
	}
	_, modules := wire(k)
	return platform.New(k, version, modules...)
}
