package main

import (
	"guildhall/modules/audit"
	"guildhall/modules/auth"
	"guildhall/modules/membership"
	"guildhall/modules/organization"
	"guildhall/modules/user"
	"guildhall/platform"
	"guildhall/platform/module"
)

// rooms are the modules of the house.
type rooms struct {
	auths         *auth.Module
	users         *user.Module
	organizations *organization.Module
	memberships   *membership.Module
	trails        *audit.Module
}

// wire joins the modules. It is the only place that knows them all: each gets
// the kernel's parts that it uses and, through ports that it declares itself,
// the other modules.
func wire(k *platform.Kernel) rooms {
	cfg := k.Config
	sessions := auth.NewSessions(k.DB, k.Trail, k.Now)
	users := user.New(k.DB, k.Gate, k.Trail, sessions, auth.NewPasswords(k.DB, k.Hasher, k.Now), k.Now)
	memberships := membership.New(k.DB, k.Gate, k.Trail, k.Limits, users, k.Now)
	organizations := organization.New(k.DB, k.Gate, k.Trail, memberships, k.Now)
	users.EnrolBy(memberships.Enrol)
	users.BeforeArchive(organizations.ArchiveWithOwner)
	auths := auth.New(auth.Dependencies{
		DB: k.DB, Gate: k.Gate, Trail: k.Trail, Hasher: k.Hasher, Tokens: k.Tokens, Sessions: sessions,
		Users: users, Organizations: organizations, Limits: k.Limits, Meter: k.Telemetry, Now: k.Now,
	}, auth.Options{
		Registration:     cfg.EnableRegistration,
		Rotation:         cfg.RefreshRotation,
		Grace:            cfg.RefreshGrace,
		SessionLifetime:  cfg.RefreshTokenTTL,
		SessionRetention: cfg.SessionRetention,
	})
	return rooms{auths, users, organizations, memberships, audit.New(k.Gate, k.Trail)}
}

// modules lists them, as the kernel mounts them.
func (r rooms) modules() []module.Module {
	return []module.Module{r.auths, r.users, r.organizations, r.memberships, r.trails}
}
