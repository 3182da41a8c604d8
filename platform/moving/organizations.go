package moving

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/fault"
)

// makeOrganizations makes the organizations with their owners, whose accounts exist.
func (im *importing) makeOrganizations(ctx context.Context) error {
	if im.organizations == 0 {
		return nil
	}
	var next []*organization
	var read int64
	flush := func() error {
		batch := next
		next = nil
		return im.makeThese(ctx, batch)
	}
	err := im.each(ctx, "importing organizations", nil, nobody, func(_ *person, o *organization, wrong *problem, _ *Row, where at) error {
		var err error
		switch {
		case wrong != nil:
			err = im.refuse(where, wrong, "")
		default:
			if next = append(next, o); len(next) == batchSize {
				err = flush()
			}
		}
		if read++; err == nil && read == im.organizations {
			return errEnough
		}
		return err
	})
	if err != nil {
		return err
	}
	return flush()
}

// entryOf returns the entry of a row, or the field by which it repeats an earlier row.
func (im *importing) entryOf(o *organization) (*entry, string) {
	refs := []struct{ field, kind, text string }{{"id", "id", ""}, {"external_id", "external", ""}, {"name", "name", o.name}}
	if o.id != uuid.Nil {
		refs[0].text = o.id.String()
	}
	if o.externalID != nil {
		refs[1].text = *o.externalID
	}
	for _, ref := range refs {
		if ref.text == "" {
			continue
		}
		i, found := im.index.byRef[keyOf(ref.kind, ref.text)]
		if found && i >= 0 {
			if e := &im.index.entries[i]; e.line == o.line && e.source == im.sourceOf(o.source) {
				return e, ""
			}
		}
		return nil, ref.field
	}
	return nil, "name"
}

func (im *importing) makeThese(ctx context.Context, rows []*organization) error {
	type making struct {
		*organization
		entry *entry
		owner uuid.UUID
	}
	var made []making
	var externalIDs, ids, emails []string
	for _, o := range rows {
		if o.owner != "" {
			emails = append(emails, o.owner.Canonical())
		}
		if o.externalID != nil {
			externalIDs = append(externalIDs, *o.externalID)
		}
		if o.id != uuid.Nil {
			ids = append(ids, o.id.String())
		}
	}
	accounts, err := im.accountsOf(ctx, emails)
	if err != nil {
		return err
	}
	taken, err := im.takenBy(ctx, "organizations", externalIDs, ids)
	if err != nil {
		return err
	}
	for _, o := range rows {
		e, repeats := im.entryOf(o)
		name, wrong := "owner", fault.Problem{}
		switch {
		case e == nil:
			name, wrong = repeats, repeated
		case e.problem.Code != "":
			name, wrong = "name", e.problem
		case e.here:
			im.summary.Existing++
			continue
		case o.id != uuid.Nil && taken.ids[o.id]:
			name, wrong = "id", idTaken
		case o.externalID != nil && taken.externalIDs[*o.externalID] != uuid.Nil:
			name, wrong = "external_id", externalIDTaken
		}
		var ownerID uuid.UUID
		if wrong.Code == "" {
			ownerID, wrong = im.ownerOf(o, e, accounts)
		}
		if wrong.Code != "" {
			if e != nil && e.problem.Code == "" {
				e.problem = refusedOrganization
			}
			if err := im.refuse(o.at, &problem{name, wrong}, ""); err != nil {
				return err
			}
			continue
		}
		made = append(made, making{o, e, ownerID})
	}
	im.summary.Organizations += int64(len(made))
	im.summary.Memberships += int64(len(made))
	if len(made) == 0 {
		return nil
	}
	return im.inTx(ctx, func(ctx context.Context) error {
		var in inserts
		for _, m := range made {
			im.organization(&in, m.entry.id, m.organization, m.owner)
			joined := m.entry.joined
			if joined.IsZero() {
				joined = m.created
			}
			im.member(&in, joining{m.owner, m.entry.id, access.Owner, membership{joined: joined}})
		}
		if err := im.write(ctx, &in); err != nil {
			return fmt.Errorf("lines %d to %d: %w", rows[0].line, rows[len(rows)-1].line, err)
		}
		return nil
	})
}

// ownerOf returns the account of an organization's owner: of a person of the files, or one
// that exists.
func (im *importing) ownerOf(o *organization, e *entry, accounts map[string]account) (id uuid.UUID, wrong fault.Problem) {
	if e.owner == (key{}) {
		return id, ownerMissing
	}
	who := im.owners[e.owner]
	a, found := accounts[o.owner.Canonical()]
	switch {
	case who.refused:
		return id, ownerRefused
	case who.id == uuid.Nil && !found:
		return id, ownerMissing
	case who.id == uuid.Nil && a.admin:
		return id, administrators
	}
	if who.id == uuid.Nil {
		who = owner{id: a.id, archived: a.archived, trusted: a.trusted}
	}
	switch {
	case who.archived && !o.standing.archived:
		return id, ownerArchived
	case !who.trusted && im.Invite != nil: // mutant: unproved-owner
		return id, unproved
	}
	return who.id, wrong
}
