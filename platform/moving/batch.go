package moving

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"guildhall/platform/access"
	"guildhall/platform/database"
	"guildhall/platform/fault"
)

// batch is the people of one transaction, and what the database has about them.
type batch struct {
	people   []*person
	early    map[*person]*problem // refused before the database was asked
	refused  map[*person]*problem
	accounts map[string]account // that exist, by canonical address
	joining  []joining
	members  int64               // memberships that exist
	changes  map[*person]*change // of accounts that exist

	accountsOnly bool // no memberships and no changes

	before, finished chan struct{} // closed when the batch before and this one are finished
}

// account is one that exists here.
type account struct {
	id            uuid.UUID
	admin         bool
	archived      bool
	trusted       bool                      // the address is proved, or a command on the server made the account
	organizations map[uuid.UUID]access.Role // NoRole: the person has left it
	current       *current                  // nil if the import does not change the account
}

// joining is a membership to be made.
type joining struct {
	userID         uuid.UUID
	organizationID uuid.UUID
	role           access.Role
	membership
}

// writer writes batches while the next one is read and looked up.
type writer struct {
	im     *importing
	ctx    context.Context //nolint:containedctx // of the pass that it belongs to
	cancel context.CancelCauseFunc
	next   *batch
	size   int // of a batch
	// accountsOnly is passed on to the batches.
	accountsOnly bool
	batches      chan *batch
	done         sync.WaitGroup
	after        func(*batch) error // called in the order of the batches
}

// writer returns a writer, which calls after for each batch that was written.
func (im *importing) writer(ctx context.Context, after func(*batch) error) *writer {
	first := make(chan struct{})
	close(first)
	w := &writer{im: im, next: newBatch(first), batches: make(chan *batch), after: after}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	writers := 1
	if im.DB.Driver() == database.Postgres {
		writers = writersOnPostgres
	}
	w.size = batchSize / writers
	for range writers {
		w.done.Go(func() {
			for b := range w.batches {
				if err := w.write(b); err != nil {
					w.cancel(err)
					return
				}
			}
		})
	}
	return w
}

func newBatch(before chan struct{}) *batch {
	return &batch{early: map[*person]*problem{}, before: before, finished: make(chan struct{})}
}

// add adds a person, who may be refused already.
func (w *writer) add(p *person, wrong *problem) error {
	w.next.people = append(w.next.people, p)
	if wrong != nil {
		w.next.early[p] = wrong
	}
	if len(w.next.people) < w.size {
		return nil
	}
	return w.flush()
}

func (w *writer) flush() error {
	b := w.next
	b.accountsOnly = w.accountsOnly
	w.next = newBatch(b.finished)
	if err := w.im.plan(w.ctx, b); err != nil {
		return w.cause(err)
	}
	select {
	case w.batches <- b:
		return nil
	case <-w.ctx.Done():
		return w.cause(w.ctx.Err())
	}
}

// cause returns why the writer ended, if it did.
func (w *writer) cause(err error) error {
	if cause := context.Cause(w.ctx); cause != nil {
		return cause
	}
	return err
}

// close writes the last batch, unless reading ended with an error, and waits until everything
// is written. It returns the first error.
func (w *writer) close(err error) error {
	if err == nil && w.ctx.Err() == nil && len(w.next.people) > 0 {
		err = w.flush()
	}
	close(w.batches)
	w.done.Wait()
	defer w.cancel(nil)
	if cause := context.Cause(w.ctx); err == nil && cause != nil {
		err = cause
	}
	return err
}

// attempts is how often a batch is planned if it collides with registrations.
const attempts = 3

func (w *writer) write(b *batch) error {
	for attempt := 1; ; attempt++ {
		err := w.im.inTx(w.ctx, func(ctx context.Context) error { return w.im.insert(ctx, b) })
		if err == nil {
			return w.finish(b)
		}
		if !database.IsDuplicate(err) || attempt == attempts {
			first, last := b.people[0].at, b.people[len(b.people)-1].at
			return fmt.Errorf("lines %d to %d: %w", first.line, last.line, err)
		}
		if err := w.im.plan(w.ctx, b); err != nil {
			return err
		}
	}
}

func (w *writer) finish(b *batch) error {
	select {
	case <-b.before:
	case <-w.ctx.Done():
		return w.cause(w.ctx.Err())
	}
	if err := w.after(b); err != nil {
		return err
	}
	close(b.finished)
	return nil
}

// plan decides what to make of each person.
func (im *importing) plan(ctx context.Context, b *batch) (err error) {
	b.refused, b.joining, b.members, b.changes = map[*person]*problem{}, nil, 0, map[*person]*change{}
	people := make([]*person, 0, len(b.people))
	for _, p := range b.people {
		if wrong := b.early[p]; wrong != nil {
			b.refused[p] = wrong
		} else {
			people = append(people, p)
		}
	}
	if b.accounts, err = im.accounts(ctx, people); err != nil {
		return err
	}
	taken, err := im.taken(ctx, people, b.accounts)
	if err != nil {
		return err
	}
	var waiting errgroup.Group
	waiting.SetLimit(runtime.GOMAXPROCS(0))
	wrong := make([]error, len(people))
	for i, p := range people {
		a, found := b.accounts[p.email.Canonical()]
		name, problems := im.against(p, a, found, taken)
		if problems != nil {
			b.refused[p] = &problem{name, *problems}
			continue
		}
		if found && (a.current == nil || b.accountsOnly) {
			continue
		}
		if found {
			if name, problems := p.mayChange(a.current); problems != nil {
				b.refused[p] = &problem{name, *problems}
				continue
			}
		}
		if !found && p.id == uuid.Nil {
			p.id = newID()
		}
		if p.hash != "" && p.stored == "" {
			waiting.Go(func() error {
				if found && im.Unchanged(p.hash, p.salt, a.current.hash) {
					return nil
				}
				p.stored, wrong[i] = im.Stored(p.hash, p.salt)
				return nil
			})
		}
	}
	if err := waiting.Wait(); err != nil {
		return err
	}
	for i, p := range people {
		if wrong[i] != nil && b.refused[p] == nil {
			b.refused[p] = &problem{"password_hash", reasonOf(wrong[i])}
		}
		if b.refused[p] == nil {
			im.join(b, p)
		}
		if a := b.accounts[p.email.Canonical()]; b.refused[p] == nil && a.current != nil && !b.accountsOnly {
			if c := im.changeOf(p, a); c.any() {
				b.changes[p] = c
			}
		}
	}
	return nil
}

// reasonOf returns why a hash was refused. The error of another type may contain the hash.
func reasonOf(err error) fault.Problem {
	var p fault.Problem
	if errors.As(err, &p) {
		return p
	}
	return unreadableHash
}

// against refuses a person whom the database has in another way.
func (im *importing) against(p *person, a account, found bool, taken taken) (string, *fault.Problem) {
	switch other, is := taken.external(p); {
	case found && a.admin: // mutant: administrators
		return "email", &administrators
	case is && (!found || other != a.id):
		return "external_id", &externalIDTaken
	case !found && taken.ids[p.id]:
		return "id", &idTaken
	}
	return "", nil
}

// join decides which organizations a person joins, or refuses the person.
func (im *importing) join(b *batch, p *person) {
	a, found := b.accounts[p.email.Canonical()]
	if !found {
		a = account{id: p.id, trusted: true}
	}
	trusted := a.trusted || im.Invite == nil // as when a member is added
	archived := found && a.archived && !im.owners[p.key].made
	var joins []joining
	var members int64
	for i, m := range p.memberships {
		refuse := func(field string, wrong fault.Problem) {
			b.refused[p] = &problem{fmt.Sprintf("memberships[%d].%s", i, field), wrong}
		}
		at := im.index.find(m.organization)
		if at < 0 {
			refuse("organization", problemAt(at))
			return
		}
		e := &im.index.entries[at]
		role, known := a.organizations[e.id]
		owns := e.line > 0 && e.ours && e.owner == p.key
		switch {
		case e.problem.Code != "":
			refuse("organization", e.problem)
			return
		case owns && !e.here: // with the organization
			continue
		case role != access.NoRole:
			members++
			continue
		case known: // mutant: former-member
			refuse("organization", formerMember)
			return
		case m.role == access.Owner: // mutant: second-owner
			refuse("role", ownerExists)
			return
		case archived:
			refuse("organization", accountArchived)
			return
		case !trusted: // mutant: unproved-account
			refuse("organization", unproved)
			return
		case e.archived && !e.ours:
			refuse("organization", organizationClosed)
			return
		}
		for _, j := range joins {
			if j.organizationID == e.id {
				refuse("organization", repeated)
				return
			}
		}
		joins = append(joins, joining{a.id, e.id, m.role, m})
	}
	b.joining = append(b.joining, joins...)
	b.members += members
}

func problemAt(i int32) fault.Problem {
	if i == several {
		return ambiguous
	}
	return unknownOrganization
}

// accounts returns the accounts that exist, and their organizations.
func (im *importing) accounts(ctx context.Context, people []*person) (map[string]account, error) {
	emails := make([]string, len(people))
	for i, p := range people {
		emails[i] = p.email.Canonical()
	}
	return im.accountsOf(ctx, emails)
}

func (im *importing) accountsOf(ctx context.Context, emails []string) (map[string]account, error) {
	accounts := map[string]account{}
	rows, err := im.DB.Rows(ctx, `SELECT u.email_canonical, u.id,
		EXISTS (SELECT 1 FROM platform_administrators pa WHERE pa.user_id = u.id),
		EXISTS (SELECT 1 FROM user_archives a WHERE a.user_id = u.id AND `+access.OpenArchive("a")+`),
		u.email_verified_at IS NOT NULL OR EXISTS (SELECT 1 FROM audit_events e WHERE e.chain_id = u.id AND e.sequence = 1 AND e.actor_role = 'command_line')
		FROM users u WHERE `+im.DB.Among("u.email_canonical", "text"), asList(emails))
	if err != nil {
		return nil, fmt.Errorf("find accounts: %w", err)
	}
	var ids []string
	byID := map[uuid.UUID]account{}
	_, err = database.Collect(rows, func(scan func(...any) error) (none struct{}, err error) {
		a := account{organizations: map[uuid.UUID]access.Role{}}
		var email string
		err = scan(&email, &a.id, &a.admin, &a.archived, &a.trusted)
		accounts[email], byID[a.id] = a, a
		ids = append(ids, a.id.String())
		return none, err
	})
	if err != nil || len(ids) == 0 {
		return accounts, err
	}
	if err := im.addCurrent(ctx, accounts, ids); err != nil {
		return nil, err
	}
	// A standing in an organization stays when a member leaves.
	rows, err = im.DB.Rows(ctx, `SELECT s.user_id, s.organization_id, m.user_id IS NOT NULL, ad.user_id IS NOT NULL, ow.user_id IS NOT NULL FROM user_active_status s
		LEFT JOIN organization_members m ON m.organization_id = s.organization_id AND m.user_id = s.user_id
		LEFT JOIN organization_admins ad ON ad.organization_id = s.organization_id AND ad.user_id = s.user_id
		LEFT JOIN organization_owners ow ON ow.organization_id = s.organization_id AND ow.user_id = s.user_id
		WHERE s.organization_id IS NOT NULL AND `+im.DB.Among("s.user_id", "uuid"), asList(ids))
	if err != nil {
		return nil, fmt.Errorf("find memberships: %w", err)
	}
	_, err = database.Collect(rows, func(scan func(...any) error) (none struct{}, err error) {
		var userID, organizationID uuid.UUID
		var is, administers, owns bool
		err = scan(&userID, &organizationID, &is, &administers, &owns)
		role := access.NoRole
		switch {
		case owns:
			role = access.Owner
		case administers:
			role = access.Admin
		case is:
			role = access.Member
		}
		// An ended activity may stand beside the open one.
		byID[userID].organizations[organizationID] = max(role, byID[userID].organizations[organizationID])
		return none, err
	})
	return accounts, err
}

// taken is which of the ids of a batch exist here.
type taken struct {
	externalIDs map[string]uuid.UUID
	ids         map[uuid.UUID]bool // of accounts, and of anything with an audit chain
}

func (t taken) external(p *person) (whose uuid.UUID, is bool) {
	if p.externalID == nil {
		return whose, false
	}
	whose, is = t.externalIDs[*p.externalID]
	return whose, is
}

func (im *importing) taken(ctx context.Context, people []*person, accounts map[string]account) (taken, error) {
	var externalIDs, ids []string
	for _, p := range people {
		if p.externalID != nil {
			externalIDs = append(externalIDs, *p.externalID)
		}
		if _, found := accounts[p.email.Canonical()]; !found && p.id != uuid.Nil {
			ids = append(ids, p.id.String())
		}
	}
	return im.takenBy(ctx, "users", externalIDs, ids)
}

// takenBy returns which external ids rows of a table have, and which ids anything has.
func (im *importing) takenBy(ctx context.Context, table string, externalIDs, ids []string) (t taken, err error) {
	t = taken{map[string]uuid.UUID{}, map[uuid.UUID]bool{}}
	read := func(list []string, query string, into func(id uuid.UUID, externalID string)) {
		if err != nil || len(list) == 0 {
			return
		}
		rows, failed := im.DB.Rows(ctx, query, asList(list))
		if err = failed; err != nil {
			return
		}
		_, err = database.Collect(rows, func(scan func(...any) error) (none struct{}, err error) {
			var id uuid.UUID
			var externalID string
			err = scan(&id, &externalID)
			into(id, externalID)
			return none, err
		})
	}
	read(externalIDs, "SELECT id, external_id FROM "+table+" WHERE external_id IS NOT NULL AND "+im.DB.Among("external_id", "text"),
		func(id uuid.UUID, externalID string) { t.externalIDs[externalID] = id })
	mark := func(id uuid.UUID, _ string) { t.ids[id] = true }
	for _, holder := range []string{table, "audit_chains"} {
		read(ids, "SELECT id, '' FROM "+holder+" WHERE "+im.DB.Among("id", "uuid"), mark)
	}
	if err != nil {
		err = fmt.Errorf("find ids: %w", err)
	}
	return t, err
}
