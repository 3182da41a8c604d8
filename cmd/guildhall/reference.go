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

// personReference is an EMAIL|ID argument.
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
		return fmt.Errorf("is neither an email address nor a user id")
	}
	r.id = id
	return nil
}

// find returns the user's id, or an error if there is no such user.
func (r *personReference) find(ctx context.Context, g *guildhall) (uuid.UUID, error) {
	if r.email != "" {
		return findAccount(ctx, g, r.email)
	}
	return r.id, g.Gate.CheckUserExists(ctx, r.id)
}

// findAccount returns the id of the user with an email address, or an error if there is none.
func findAccount(ctx context.Context, g *guildhall, email string) (uuid.UUID, error) {
	id, err := platformAdmins(g).Find(ctx, field.Login(email).CanonicalEmail())
	if access.ErrUserNotFound.Is(err) {
		return id, fmt.Errorf("no user has the email address %s", email)
	}
	return id, err
}

// organizationReference is the id of an organization, or its name if that is unique.
type organizationReference string

// UnmarshalText refuses an empty text, as from an unset shell variable: a command meant for
// one organization must not act on all of them.
func (r *organizationReference) UnmarshalText(text []byte) error {
	*r = organizationReference(norm.NFC.String(strings.TrimSpace(string(text)))) // as names are stored
	if *r == "" {
		return fmt.Errorf("names no organization")
	}
	return nil
}

// find returns the id. It does not check that an organization with a given id exists: the
// gate does.
func (r organizationReference) find(ctx context.Context, g *guildhall) (uuid.UUID, error) {
	id, err := transfer.Find(ctx, g.DB, string(r))
	if err != nil {
		return id, fmt.Errorf("%s: %w", r, err)
	}
	return id, nil
}

// findIfGiven is find for an optional flag: without one it returns null.
func (r organizationReference) findIfGiven(ctx context.Context, g *guildhall) (uuid.NullUUID, error) {
	if r == "" {
		return uuid.NullUUID{}, nil
	}
	id, err := r.find(ctx, g)
	return uuid.NullUUID{UUID: id, Valid: err == nil}, err
}

var days = regexp.MustCompile(`^([0-9]{1,5})d$`)

// deadline is a time, given as such or as a duration from now.
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

// required marks flags as mandatory.
func required(cmd *cobra.Command, flags ...string) {
	for _, name := range flags {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(err) // the flag does not exist
		}
	}
}

// atLeastOne is a positive number.
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
