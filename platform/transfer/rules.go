package transfer

import (
	"time"

	"github.com/google/uuid"
)

// skew is the tolerated difference between the clocks of two servers.
const skew = 5 * time.Minute

// standing is what the lines stated about the organization itself.
type standing struct {
	active, suspended, archived bool
}

// checkRules refuses a line that violates an invariant of organizations. The tables'
// constraints would refuse it too, but this names the line that is wrong, before
// anything is written.
func (r *reading) checkRules(e entry) error {
	if e.Type == archiveLine {
		return r.begin(e)
	}
	if !r.sorted && e.Type != personLine && e.Type != organizationLine {
		// All people have been read; an import has also found or created their
		// accounts.
		r.sorted = true
		if twice := r.people.sort(); twice != uuid.Nil {
			return wrong("two of the people have the id %s", twice)
		}
	}
	for i, c := range e.Columns {
		switch v := e.values[i].(type) {
		case time.Time:
			if c.IsPast && v.After(r.exportedAt.Add(skew)) {
				return wrong("%s: is later than the export", c.Name)
			}
		case uuid.UUID:
			if c.IsPerson && r.people.find(v) == nil {
				return wrong("%s: no person in the archive has the id %s", c.Name, v)
			}
		}
	}
	switch e.Type {
	case personLine:
		return r.meet(e)
	case orgActiveLine:
		return opens(e, "deactivated_at", &r.standing.active)
	case orgSuspendedLine:
		return opens(e, "lifted_at", &r.standing.suspended)
	case orgArchivedLine:
		return opens(e, "restored_at", &r.standing.archived)
	case memberLine:
		r.people.find(e.id("user_id")).role |= isMember
	case adminLine, ownerLine:
		return r.grant(e)
	case activeLine:
		r.people.find(e.id("user_id")).role |= hasStanding
		return r.opensFor(e, "deactivated_at", isActive)
	case suspendedLine:
		return r.opensFor(e, "lifted_at", isSuspended)
	case chainLine:
		return r.beginChain(e)
	case eventLine:
		return r.link(e)
	case endLine:
		if err := r.chain.erasures.Check(); err != nil { // mutant: archive-erasures
			return wrong("%v", err)
		}
		return r.end(e)
	}
	return nil
}

func (r *reading) begin(e entry) error {
	r.organizationID, r.exportedAt, r.hashes = e.id("organization_id"), e.value("exported_at").(time.Time), e.value("password_hashes").(bool)
	if r.exportedAt.After(r.now.Add(skew)) {
		return wrong("exported_at: is in the future, by the clock of this server")
	}
	return nil
}

func (r *reading) meet(e entry) error {
	switch {
	case len(r.people) == maxPeople:
		return wrong("the archive has more than %d people", maxPeople)
	case e.id("id") == r.organizationID:
		return wrong("id: is the organization's")
	case e.value("password_hash") != nil && !r.hashes:
		return wrong("password_hash: the first line says that the archive has none")
	}
	if e.value("password_hash") != nil {
		r.withHash++
	}
	r.people = append(r.people, person{id: e.id("id")})
	return nil
}

// opens refuses a second period that has not ended.
func opens(e entry, end string, open *bool) error {
	if e.value(end) != nil {
		return nil
	}
	if *open {
		return wrong("an earlier one also has no %s", end)
	}
	*open = true
	return nil
}

func (r *reading) opensFor(e entry, end string, what role) error {
	p := r.people.find(e.id("user_id"))
	open := p.role&what != 0
	if err := opens(e, end, &open); err != nil {
		return err
	}
	if open {
		p.role |= what
	}
	return nil
}

// grant refuses a grant of the admin or owner role to a person who is not a member. The
// owner must not have an admin grant as well.
func (r *reading) grant(e entry) error {
	p := r.people.find(e.id("user_id"))
	switch {
	case p.role&isMember == 0:
		return wrong("user_id: %s is no member", p.id)
	case e.Type == ownerLine && p.role&isAdmin != 0:
		return wrong("user_id: the owner also has an admin grant")
	case e.Type == adminLine:
		p.role |= isAdmin
	}
	return nil
}

func (r *reading) end(e entry) error {
	switch {
	case e.value("lines") != r.number:
		return wrong("lines: there are %d", r.number)
	case e.value("sha256") != r.sum(): // mutant: archive-checksum
		return wrong("sha256: the archive is not what was written")
	case r.count(orgActiveLine) == 0:
		return wrong("the organization has no line of the type %s", orgActiveLine)
	case r.standing.archived && r.standing.active:
		return wrong("the organization is archived and active")
	}
	for _, p := range r.people {
		if p.role&isMember != 0 && p.role&hasStanding == 0 {
			return wrong("the member %s has no line of the type %s", p.id, activeLine)
		}
	}
	r.done = true
	return nil
}
