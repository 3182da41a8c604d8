package main

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"golang.org/x/text/unicode/norm"

	"guildhall/platform"
	"guildhall/platform/access"
	"guildhall/platform/field"
	"guildhall/platform/transfer"
)

// personReference is EMAIL or ID on the command line.
type personReference struct {
	email string
	id    uuid.UUID
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *personReference) UnmarshalText(text []byte) error {
	*r = personReference{}
	if strings.Contains(string(text), "@") {
		r.email = string(text)
		return nil
	}
	id, err := uuid.Parse(string(text))
	if err != nil || len(text) != len(id.String()) {
		return fmt.Errorf("is neither an email address nor the id of a person")
	}
	r.id = id
	return nil
}

// find returns the id of a person who exists.
func (r *personReference) find(ctx context.Context, g *guildhall) (uuid.UUID, error) {
	if r.email != "" {
		return findAccount(ctx, g, r.email)
	}
	return r.id, g.Gate.CheckUserExists(ctx, r.id)
}

// findAccount returns the id of the person with an email address.
func findAccount(ctx context.Context, g *guildhall, email string) (uuid.UUID, error) {
	id, err := platformAdmins(g).Find(ctx, field.Login(email).CanonicalEmail())
	if access.ErrUserNotFound.Is(err) {
		return id, fmt.Errorf("nobody has the email address %s", email)
	}
	return id, err
}

// organizationReference is the id of an organization, or a name that only it has.
type organizationReference string

// UnmarshalText refuses nothing at all, as from a variable that is not set: what is
// meant for one organization must not be done to all.
func (r *organizationReference) UnmarshalText(text []byte) error {
	*r = organizationReference(norm.NFC.String(strings.TrimSpace(string(text)))) // as names are kept
	if *r == "" {
		return fmt.Errorf("names no organization")
	}
	return nil
}

// find returns its id. Whether there is one of the id is for the gate to say.
func (r organizationReference) find(ctx context.Context, g *guildhall) (uuid.UUID, error) {
	id, err := transfer.Find(ctx, g.DB, string(r))
	if err != nil {
		return id, fmt.Errorf("%s: %w", r, err)
	}
	return id, nil
}

// findIfGiven is for a flag that was perhaps not given.
func (r organizationReference) findIfGiven(ctx context.Context, g *guildhall) (uuid.NullUUID, error) {
	if r == "" {
		return uuid.NullUUID{}, nil
	}
	id, err := r.find(ctx, g)
	return uuid.NullUUID{UUID: id, Valid: err == nil}, err
}

var days = regexp.MustCompile(`^([0-9]{1,5})d$`)

// deadline is a time, or how long from now.
type deadline struct{ at *field.Time }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *deadline) UnmarshalText(text []byte) error {
	span, err := time.ParseDuration(string(text))
	if match := days.FindSubmatch(text); match != nil {
		var n int
		n, err = strconv.Atoi(string(match[1]))
		span = time.Duration(n) * 24 * time.Hour
	}
	if err == nil {
		d.at = &field.Time{Time: platform.Now().Add(span)}
		return nil
	}
	d.at = new(field.Time)
	if err := d.at.UnmarshalText(text); err != nil {
		return fmt.Errorf("must be a time such as 2026-01-31T12:00:00Z, or how long from now, such as 72h or 7d")
	}
	return nil
}

// required is for flags without which a command makes no sense.
func required(cmd *cobra.Command, flags ...string) {
	for _, name := range flags {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(err) // there is no such flag
		}
	}
}

// atLeastOne is a number of things.
type atLeastOne int

// UnmarshalText implements encoding.TextUnmarshaler.
func (n *atLeastOne) UnmarshalText(text []byte) error {
	parsed, err := strconv.ParseUint(string(text), 10, 31)
	if err != nil || parsed == 0 {
		return fmt.Errorf("must be a whole number from 1")
	}
	*n = atLeastOne(parsed)
	return nil
}
