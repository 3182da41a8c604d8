package transfer

import (
	"time"

	"github.com/google/uuid"
)

// skew is how far the clocks of two servers may be apart.
const skew = 5 * time.Minute

// standing is what the lines said of the organization itself.
type standing struct {
	active, suspended, archived bool
}

// hold holds a line to what must be true of every organization: here, and not
// only by the constraints of the tables, so that whoever made the archive is
// told which line is wrong before anything is written.
func (r *reading) hold(e entry) error {
	if e.Type == archiveLine {
		return r.begin(e)
	}
	if !r.sorted && e.Type != personLine && e.Type != organizationLine {
		// All people have been read and, by an import, found or made.
		r.sorted = true
		if twice := r.people.sort(); twice != uuid.Nil {
			return wrong("two people before it have the id %s", twice)
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
				return wrong("%s: nobody in the archive has the id %s", c.Name, v)
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
		return wrong("there are more than %d people", maxPeople)
	case e.id("id") == r.organizationID:
		return wrong("id: is the organization's")
	case e.value("password_hash") != nil && !r.hashes:
		return wrong("password_hash: the first line says that there are none")
	}
	if e.value("password_hash") != nil {
		r.withHash++
	}
	r.people = append(r.people, someone{id: e.id("id")})
	return nil
}

// opens refuses a second span that has not ended.
func opens(e entry, end string, open *bool) error {
	if e.value(end) != nil {
		return nil
	}
	if *open {
		return wrong("a second one has no %s", end)
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

// grant is of power: an admin's, or the owner's, who needs no other.
func (r *reading) grant(e entry) error {
	p := r.people.find(e.id("user_id"))
	switch {
	case p.role&isMember == 0:
		return wrong("user_id: %s is no member", p.id)
	case e.Type == ownerLine && p.role&isAdmin != 0:
		return wrong("user_id: the owner holds an admin grant beside")
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
