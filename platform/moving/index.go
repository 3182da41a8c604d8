package moving

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/database"
	"guildhall/platform/fault"
)

// index has the organizations that the files name, in little memory.
type index struct {
	entries []entry
	byRef   map[key]int32       // by id, external id and name
	here    map[uuid.UUID]int32 // those that exist, by their id here
}

// several is the index of a name that several organizations have.
const several = -1

// entry is an organization.
type entry struct {
	id       uuid.UUID // here, or to be
	owner    key       // zero if nobody is named
	joined   time.Time // when the owner became a member; zero: when the organization was created
	line     int64     // of its row; 0 if only people name it
	source   int32
	byName   bool // it is found here by its name
	here     bool // it exists in the database
	ours     bool // this import has made it, or is to make it
	archived bool
	problem  fault.Problem
}

func (x *index) find(ref string) int32 {
	for _, kind := range []string{"id", "external", "name"} {
		if i, found := x.byRef[keyOf(kind, ref)]; found {
			return i
		}
	}
	return unknown
}

// unknown is the index of an organization that no row describes.
const unknown = -2

// add adds the organization of a row. It returns the field by which an earlier row is the
// same one.
func (x *index) add(o *organization, source int32) (repeats string) {
	keys := map[string]key{}
	if o.id != uuid.Nil {
		keys["id"] = keyOf("id", o.id.String())
	}
	if o.externalID != nil {
		keys["external_id"] = keyOf("external", *o.externalID)
	}
	for _, name := range []string{"id", "external_id"} {
		if k, has := keys[name]; has {
			if _, taken := x.byRef[k]; taken {
				return name
			}
		}
	}
	named, byName := keyOf("name", o.name), len(keys) == 0
	i := int32(len(x.entries)) //nolint:gosec // as many as fit into memory
	switch _, taken := x.byRef[named]; {
	case taken && byName:
		return "name"
	case taken:
		x.byRef[named] = several
	default:
		x.byRef[named] = i
	}
	for _, k := range keys {
		x.byRef[k] = i
	}
	e := entry{id: o.id, line: o.line, source: source, byName: byName, ours: true}
	if e.id == uuid.Nil {
		e.id = newID()
	}
	if o.owner != "" {
		e.owner = emailKey(o.owner)
	}
	x.entries = append(x.entries, e)
	return ""
}

// addNamed adds an organization that only people name.
func (x *index) addNamed(ref string) {
	i := int32(len(x.entries)) //nolint:gosec // as many as fit into memory
	x.entries = append(x.entries, entry{byName: true, problem: unknownOrganization})
	for _, kind := range []string{"id", "external", "name"} {
		x.byRef[keyOf(kind, ref)] = i
	}
}

// match finds out which of the organizations exist here, and which of them an earlier run of
// this import has made.
func (im *importing) match(ctx context.Context) error {
	rows, err := im.DB.Conn(ctx).Raw("SELECT id, external_id, name, EXISTS (SELECT 1 FROM organization_archives a WHERE a.organization_id = o.id AND " + access.OpenArchive("a") + ") FROM organizations o").Rows()
	if err != nil {
		return fmt.Errorf("read the organizations: %w", err)
	}
	defer rows.Close()
	var found []int32
	for rows.Next() {
		var id uuid.UUID
		var externalID *string
		var name string
		var archived bool
		if err := rows.Scan(&id, &externalID, &name, &archived); err != nil {
			return fmt.Errorf("read the organizations: %w", err)
		}
		keys := []key{keyOf("id", id.String()), keyOf("name", name)}
		if externalID != nil {
			keys = append(keys, keyOf("external", *externalID))
		}
		for n, k := range keys {
			i, named := im.index.byRef[k]
			if !named || i < 0 {
				continue
			}
			e := &im.index.entries[i]
			switch {
			case n == 1 && !e.byName: // its row has an id or an external id
			case e.here && e.id != id:
				e.problem = ambiguous
			case !e.here:
				e.id, e.here, e.ours, e.archived = id, true, false, archived
				found = append(found, i)
				im.index.here[id] = i
			}
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read the organizations: %w", err)
	}
	return im.recognize(ctx, found)
}

// recognize marks the organizations that an earlier run of this import has made: the first
// event in their audit log says so. Others are touched only with ExistingOrganizations.
func (im *importing) recognize(ctx context.Context, found []int32) error {
	for first := 0; first < len(found); first += batchSize {
		batch := found[first:min(first+batchSize, len(found))]
		ids := map[uuid.UUID]*entry{}
		list := make([]string, 0, len(batch))
		for _, i := range batch {
			e := &im.index.entries[i]
			ids[e.id] = e
			list = append(list, e.id.String())
		}
		rows, err := im.DB.Rows(ctx, "SELECT chain_id, details FROM audit_events WHERE sequence = 1 AND "+im.DB.Among("chain_id", "uuid"), asList(list))
		if err != nil {
			return fmt.Errorf("read the first events of organizations: %w", err)
		}
		_, err = database.Collect(rows, func(scan func(...any) error) (none struct{}, err error) {
			var id uuid.UUID
			var text string
			if err := scan(&id, &text); err != nil {
				return none, err
			}
			var details map[string]string
			if json.Unmarshal([]byte(text), &details) == nil && details["import"] == im.id { // mutant: own-organizations
				ids[id].ours = true
			}
			return none, nil
		})
		if err != nil {
			return fmt.Errorf("read the first events of organizations: %w", err)
		}
		for _, e := range ids {
			switch {
			case e.problem.Code == ambiguous.Code:
			case e.ours || im.options.ExistingOrganizations: // mutant: existing-organizations
				e.problem = fault.Problem{}
			case e.line > 0:
				e.problem = organizationExists
			}
		}
	}
	return nil
}

func asList(texts []string) string {
	list, err := json.Marshal(append([]string{}, texts...))
	if err != nil {
		panic(err) // strings always encode
	}
	return string(list)
}

func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }
