package main

import (
	"context"
	"log/slog"

	"guildhall/modules/account"
	"guildhall/modules/audit"
	"guildhall/modules/auth"
	"guildhall/modules/invitation"
	"guildhall/modules/membership"
	"guildhall/modules/organization"
	"guildhall/modules/user"
	"guildhall/platform"
	"guildhall/platform/config"
	"guildhall/platform/module"
)

// services holds the modules' services, which routes and commands share.
type services struct {
	auth          *auth.Service
	users         *user.Service
	organizations *organization.Service
	memberships   *membership.Service
}

// wire builds the services and their modules. It is the only place that knows all of
// them. Each service gets the parts of the kernel that it uses and, through interfaces
// that it declares itself, the other services.
func wire(k *platform.Kernel) (services, []module.Module) {
	cfg := k.Config
	sessions := auth.NewSessions(k.DB, k.Trail, k.Now)
	users := user.NewService(user.Dependencies{
		DB: k.DB, Gate: k.Gate, Trail: k.Trail, Sessions: sessions, Passwords: auth.NewPasswords(k.DB, k.Hasher, k.Now), Now: k.Now,
	})
	memberships := membership.NewService(membership.Dependencies{
		DB: k.DB, Gate: k.Gate, Trail: k.Trail, Limits: k.Limits, Users: users, Mail: k.Mail, Now: k.Now,
	})
	organizations := organization.NewService(organization.Dependencies{
		DB: k.DB, Gate: k.Gate, Trail: k.Trail, Memberships: memberships, Now: k.Now,
	})
	invitations := invitation.NewService(invitation.Dependencies{
		DB: k.DB, Gate: k.Gate, Trail: k.Trail, Limits: k.Limits, Mail: k.Mail, Memberships: memberships, LinkBase: cfg.LinkBase(), Now: k.Now,
	})
	users.Connect(memberships.AddToOrganization, organizations.ArchiveWithOwner, invitations.Withdraw)
	auths := auth.NewService(auth.Dependencies{
		DB: k.DB, Gate: k.Gate, Trail: k.Trail, Hasher: k.Hasher, Tokens: k.Tokens, Sessions: sessions,
		Users: users, Organizations: organizations, Invitations: invitations, Limits: k.Limits, Mail: k.Mail, Sealer: k.Sealer, Meter: k.Telemetry, Now: k.Now,
	}, auth.Options{
		Registration:     cfg.EnableRegistration,
		ConfirmEmail:     cfg.ConfirmEmail,
		LogInByEmail:     cfg.LogInByEmail,
		LinkBase:         cfg.LinkBase(),
		StepUpMaxAge:     cfg.StepUpMaxAge,
		Rotation:         cfg.RefreshRotation,
		Grace:            cfg.RefreshGrace,
		SessionLifetime:  cfg.RefreshTokenTTL,
		SessionRetention: cfg.SessionRetention,
	})
	invitations.Connect(auths)
	memberships.Connect(invitations.Withdraw, auths.Notify)
	return services{auth: auths, users: users, organizations: organizations, memberships: memberships}, []module.Module{
		auth.NewModule(auths), user.NewModule(users), organization.NewModule(organizations),
		membership.NewModule(memberships), invitation.NewModule(invitations), audit.NewModule(k.Gate, k.Trail),
		account.NewModule(account.Options{Registration: cfg.EnableRegistration, Mail: k.Mail.Configured()}),
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
