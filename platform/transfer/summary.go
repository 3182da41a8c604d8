package transfer

import "github.com/google/uuid"

// Summary is what was exported or imported.
type Summary struct {
	OrganizationID                  uuid.UUID
	People, Members, Admins, Events int64
	Hashes                          int64 // of passwords, in the archive

	// Of an import.
	Found           int64 // people who had an account
	Made            int64 // accounts
	WithoutPassword int64 // of those made
	Unchanged       bool  // the organization was here already, as the archive has it
}

func (r *reading) summary() Summary {
	return Summary{
		OrganizationID: r.organizationID, People: r.count(personLine), Members: r.count(memberLine), Admins: r.count(adminLine),
		Events: r.count(eventLine), Hashes: r.withHash,
	}
}
