package moving

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/audit"
	"guildhall/platform/clone"
	"guildhall/platform/database"
	"guildhall/platform/fault"
	"guildhall/platform/field"
)

// ErrRefused means that a strict import refused rows, and imported nothing.
var ErrRefused = errors.New("rows were refused")

// Import makes the people and the organizations of files. Running it again with the same files
// changes nothing.
func Import(ctx context.Context, d Dependencies, sources []*Source, o Options) (Summary, error) {
	ctx = database.ForAll(ctx)
	tables, err := d.DB.Tables(ctx)
	if err != nil {
		return Summary{}, err
	}
	if err := d.DB.EnlargeCache(ctx, pageCache); err != nil {
		return Summary{}, err
	}
	im := &importing{Dependencies: d, options: o, sources: sources, now: d.Now()}
	if im.tables, err = tablesOf(tables); err != nil {
		return Summary{}, err
	}
	if im.events, err = d.Trail.Bulk(tables); err != nil {
		return Summary{}, err
	}
	if err := im.check(ctx); err != nil {
		return Summary{}, err
	}
	if o.Strict && !o.DryRun {
		im.options.DryRun = true
		err := im.run(ctx)
		if err == nil && im.summary.Refused > 0 {
			err = ErrRefused
		}
		if err != nil {
			return im.summary, err
		}
		im.options.DryRun = false
	}
	err = im.run(ctx)
	return im.summary, err
}

// importing is an import in progress.
type importing struct {
	Dependencies
	options Options
	sources []*Source
	now     time.Time
	tables  map[string]database.Table
	events  *audit.Bulk

	id     string // of the import: its name, or the SHA-256 of its files
	index  index
	owners map[key]owner
	rows   int64
	// organizations is how many rows of organizations the files have.
	organizations int64
	// repeating are the rows of people that repeat an earlier one, with the field in which
	// they do. A pass that reads only some rows does not see it.
	repeating map[at]string
	summary   Summary
	seen      *seen // by the last pass
}

// owner is a person who owns an organization of the files.
type owner struct {
	id       uuid.UUID
	made     bool // by this run
	archived bool
	trusted  bool
	refused  bool
}

// seen has what a pass has read, to refuse what a second row repeats.
type seen struct {
	emails, externalIDs map[key]struct{}
	unread              map[key]struct{} // addresses of refused rows
	ids                 map[uuid.UUID]struct{}
}

func newSeen() *seen {
	return &seen{map[key]struct{}{}, map[key]struct{}{}, map[key]struct{}{}, map[uuid.UUID]struct{}{}}
}

// refused keeps the address of a row that was refused.
func (s *seen) refused(r *Row) {
	if e := emailOf(r); e != "" {
		s.unread[emailKey(e)] = struct{}{}
	}
}

// repeats returns the field that repeats one of an earlier person.
func (s *seen) repeats(p *person) string {
	var external key
	if p.externalID != nil {
		external = keyOf("external", *p.externalID)
	}
	if _, is := s.emails[p.key]; is { // mutant: repeated-address
		return "email"
	}
	if _, is := s.externalIDs[external]; is {
		return "external_id"
	}
	if _, is := s.ids[p.id]; is {
		return "id"
	}
	s.emails[p.key] = struct{}{}
	if p.externalID != nil {
		s.externalIDs[external] = struct{}{}
	}
	if p.id != uuid.Nil {
		s.ids[p.id] = struct{}{}
	}
	return ""
}

// visitor gets the rows of a pass: one of the first three is not nil.
type visitor func(p *person, o *organization, wrong *problem, r *Row, where at) error

// wanted says which people a pass reads; nil: all. The others are left out unchecked.
type wanted func(r *Row) bool

func nobody(*Row) bool { return false }

// errEnough ends a pass that has read all that it wants.
var errEnough = errors.New("enough was read")

// each reads all files. It refuses rows of people that repeat an earlier one.
func (im *importing) each(ctx context.Context, doing string, sum hash.Hash, wants wanted, visit visitor) error {
	repeats := newSeen()
	im.seen = repeats
	var n, before int64
	total := im.rows
	for _, s := range im.sources {
		err := s.each(ctx, sum, func(where at, r *Row, wrong *problem) error {
			n++
			if n%1000 == 0 {
				if err := ctx.Err(); err != nil {
					return err
				}
				if im.rows == 0 { // the first pass estimates
					total = n * im.size() / max(1, before+s.read)
				}
				im.options.Progress(clone.Progress{Doing: doing, Done: n, Total: max(n, total)})
			}
			if wants != nil && r.Type != organizationType && (wrong != nil || !wants(r)) {
				return nil //nolint:nilerr // a later pass refuses it
			}
			if wrong != nil {
				repeats.refused(r)
				return visit(nil, nil, wrong, r, where)
			}
			switch r.Type {
			case "", personType:
				p, wrong := r.person(where, im.now)
				if wrong == nil {
					name, is := im.repeating[where] // mutant: repeating-owners
					if !is {
						name = repeats.repeats(p)
					}
					if name != "" {
						wrong, im.repeating[where] = &problem{name, repeated}, name
					}
				}
				if wrong != nil {
					repeats.refused(r)
					return visit(nil, nil, wrong, r, where)
				}
				return visit(p, nil, nil, r, where)
			case organizationType:
				o, wrong := r.organization(where, im.now)
				if wrong != nil {
					return visit(nil, nil, wrong, r, where)
				}
				return visit(nil, o, nil, r, where)
			default:
				c := &checker{}
				c.refuse("type", fault.NotInEnum.Of(personType, organizationType))
				return visit(nil, nil, c.err, r, where)
			}
		})
		if errors.Is(err, errEnough) {
			return nil
		}
		if err != nil {
			return err
		}
		before += s.Size
	}
	im.rows = n
	return nil
}

func (im *importing) size() (n int64) {
	for _, s := range im.sources {
		n += s.Size
	}
	return n
}

func (im *importing) sourceOf(s *Source) int32 {
	for i, x := range im.sources {
		if x == s {
			return int32(i) //nolint:gosec // as many as a command names
		}
	}
	return 0
}

// check reads the files for the first time: which organizations they have, who owns them,
// and whether the known passwords match.
func (im *importing) check(ctx context.Context) error {
	im.index = index{byRef: map[key]int32{}, here: map[uuid.UUID]int32{}}
	im.owners, im.repeating = map[key]owner{}, map[at]string{}
	known, err := im.known()
	if err != nil {
		return err
	}
	type claim struct {
		organization string
		by           key
		joined       time.Time
	}
	var claims []claim
	var named map[string]bool
	if im.options.ExistingOrganizations {
		named = map[string]bool{}
	}
	sum := sha256.New()
	err = im.each(ctx, "checking", sum, nil, func(p *person, o *organization, _ *problem, r *Row, _ at) error {
		if r.Type == organizationType {
			im.organizations++
		}
		switch {
		case p != nil:
			known.meet(p)
			for _, m := range p.memberships {
				if m.role == access.Owner {
					claims = append(claims, claim{m.organization, p.key, m.joined})
				}
				if named != nil {
					named[m.organization] = true
				}
			}
		case o != nil:
			im.index.add(o, im.sourceOf(o.source))
		}
		return nil
	})
	if err != nil {
		return err
	}
	if im.rows == 0 && im.sources[0].File != nil { // a database has the tables of its system
		return errors.New("nobody was found, and no organization: the files are those of another system")
	}
	im.id = cmp.Or(im.options.Name, hex.EncodeToString(sum.Sum(nil)))
	for _, c := range claims {
		i := im.index.find(c.organization)
		if i < 0 {
			continue
		}
		e := &im.index.entries[i]
		if e.owner == (key{}) {
			e.owner = c.by
		}
		if e.owner == c.by {
			e.joined = c.joined
		}
	}
	for ref := range named {
		if im.index.find(ref) == unknown {
			im.index.addNamed(ref)
		}
	}
	if len(im.index.entries) > 0 {
		if err := im.match(ctx); err != nil {
			return err
		}
	}
	for _, e := range im.index.entries {
		if e.owner != (key{}) && !e.here {
			im.owners[e.owner] = owner{}
		}
	}
	return known.verify(ctx, im)
}

// run makes what the files describe, or with DryRun does everything else.
func (im *importing) run(ctx context.Context) error {
	im.summary = Summary{Verified: im.summary.Verified}
	if len(im.owners) > 0 {
		if err := im.makeOwners(ctx); err != nil {
			return err
		}
	}
	if err := im.makeOrganizations(ctx); err != nil {
		return err
	}
	return im.makePeople(ctx)
}

// makeOwners makes the accounts of those who own an organization, which needs them.
func (im *importing) makeOwners(ctx context.Context) error {
	owners := map[key]owner{}
	w := im.writer(ctx, func(b *batch) error {
		for _, p := range b.people {
			a, exists := b.accounts[p.email.Canonical()]
			if !exists {
				a = account{id: p.id, archived: p.standing.archived, trusted: true}
			}
			owners[p.key] = owner{id: a.id, made: !exists, archived: a.archived, trusted: a.trusted, refused: b.refused[p] != nil}
		}
		return nil
	})
	w.accountsOnly = true
	read := 0
	isOwner := func(r *Row) bool {
		_, is := im.owners[emailKey(emailOf(r))]
		return is
	}
	err := im.each(ctx, "importing owners", nil, isOwner, func(p *person, _ *organization, _ *problem, _ *Row, _ at) error {
		if p == nil {
			return nil
		}
		p.memberships = nil
		if err := w.add(p, nil); err != nil {
			return err
		}
		if read++; read == len(im.owners) {
			return errEnough
		}
		return nil
	})
	err = w.close(err)
	im.owners = owners
	return err
}

// makePeople makes the other accounts, and all memberships.
func (im *importing) makePeople(ctx context.Context) error {
	w := im.writer(ctx, im.count)
	err := im.each(ctx, "importing people", nil, nil, func(p *person, o *organization, wrong *problem, r *Row, where at) error {
		switch {
		case p != nil:
			return w.add(p, nil)
		case o == nil && r.Type != organizationType:
			return w.add(&person{at: where, email: emailOf(r)}, wrong)
		default:
			return nil
		}
	})
	if err := w.close(err); err != nil {
		return err
	}
	return im.listGone(ctx)
}

// count adds a batch of people to the summary.
func (im *importing) count(b *batch) error {
	for _, p := range b.people {
		im.summary.People++
		if wrong := b.refused[p]; wrong != nil {
			if err := im.refuse(p.at, wrong, string(p.email)); err != nil {
				return err
			}
			continue
		}
		_, found := b.accounts[p.email.Canonical()]
		if found && !im.owners[p.key].made {
			im.summary.Found++
			if c := b.changes[p]; c != nil {
				im.summary.Changed++
				im.summary.Ended += int64(len(c.ended))
			}
			continue
		}
		im.summary.Made++
		if p.hash != "" {
			continue
		}
		im.summary.WithoutPassword++
		if im.invites() {
			im.summary.Invited++
		}
		if im.options.WithoutPassword != nil {
			if err := im.options.WithoutPassword(string(p.email)); err != nil {
				return err
			}
		}
	}
	im.summary.Memberships += int64(len(b.joining))
	im.summary.Members += b.members
	return nil
}

func (im *importing) invites() bool { return im.options.Invite && im.Invite != nil }

func (im *importing) refuse(where at, wrong *problem, email string) error {
	im.summary.Refused++
	return im.options.Refused(Refusal{File: where.source.Name, Line: where.line, Field: wrong.field, Code: wrong.Code, Message: wrong.Error(), Email: email})
}

// emailOf returns the address of a row that was refused, if it is one.
func emailOf(r *Row) (e field.Email) {
	if r.Email == nil || e.UnmarshalText([]byte(*r.Email)) != nil {
		return ""
	}
	return e
}

func (im *importing) inTx(ctx context.Context, write func(context.Context) error) error {
	if im.options.DryRun { // mutant: dry-run
		return nil
	}
	if err := im.DB.InBulk(ctx, write); err != nil {
		return fmt.Errorf("import: %w", err)
	}
	return nil
}
