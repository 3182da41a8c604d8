package transfer

import "github.com/google/uuid"

// Summary is the result of an export or import.
type Summary struct {
	OrganizationID uuid.UUID `json:"organization_id"`
	People         int64     `json:"people"`
	Members        int64     `json:"members"`
	Admins         int64     `json:"admins"`
	Events         int64     `json:"events"`
	Hashes         int64     `json:"password_hashes"` // in the archive

	// The rest is about imports.
	Found           int64 `json:"-"` // people who already had an account
	Made            int64 `json:"-"` // accounts created
	WithoutPassword int64 `json:"-"` // accounts created without a password
	Unchanged       bool  `json:"-"` // the organization already existed with everything that is in the archive

	Skipped []string `json:"-"` // types of optional lines that a later version wrote and that were skipped
}

func (r *reading) summary() Summary {
	return Summary{
		OrganizationID: r.organizationID, People: r.count(personLine), Members: r.count(memberLine), Admins: r.count(adminLine),
		Events: r.count(eventLine), Hashes: r.withHash, Skipped: r.skipped,
	}
}
