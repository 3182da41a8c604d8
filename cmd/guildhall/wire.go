package main

import (
	"guildhall/modules/auth"
	"guildhall/modules/membership"
	"guildhall/modules/organization"
	"guildhall/modules/user"
	"guildhall/platform"
	"guildhall/platform/module"
)

// wire joins the modules. It is the only place that knows them all: each gets
// the kernel's parts that it uses and, through ports that it declares itself,
// the other modules.
func wire(k *platform.Kernel) []module.Module {
	cfg := k.Config
	sessions := auth.NewSessions(k.DB, k.Now)
	users := user.New(k.DB, k.Gate, sessions, k.Now)
	memberships := membership.New(k.DB, k.Gate, users, k.Now)
	organizations := organization.New(k.DB, k.Gate, memberships, k.Now)
	users.BeforeArchive(organizations.ArchiveWithOwner)
	auths := auth.New(k.DB, k.Gate, k.Hasher, k.Tokens, sessions, users, organizations, auth.Options{
		Registration:    cfg.EnableRegistration,
		Rotation:        cfg.RefreshRotation,
		Grace:           cfg.RefreshGrace,
		SessionLifetime: cfg.RefreshTokenTTL,
		RateLimit:       cfg.RateLimitEnabled,
	}, k.Now)
	return []module.Module{auths, users, organizations, memberships}
}
