package transfer

import "github.com/google/uuid"

// Summary is what was exported or imported.
type Summary struct {
	OrganizationID uuid.UUID `json:"organization_id"`
	People         int64     `json:"people"`
	Members        int64     `json:"members"`
	Admins         int64     `json:"admins"`
	Events         int64     `json:"events"`
	Hashes         int64     `json:"password_hashes"` // in the archive

	// Of an import.
	Found           int64 `json:"-"` // people who had an account
	Made            int64 `json:"-"` // accounts
	WithoutPassword int64 `json:"-"` // of those made
	Unchanged       bool  `json:"-"` // the organization was here already, as the archive has it

	Skipped []string `json:"-"` // types of lines that a later version wrote, and that may be left out
}

func (r *reading) summary() Summary {
	return Summary{
		OrganizationID: r.organizationID, People: r.count(personLine), Members: r.count(memberLine), Admins: r.count(adminLine),
		Events: r.count(eventLine), Hashes: r.withHash, Skipped: r.skipped,
	}
}
