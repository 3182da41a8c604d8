package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"guildhall/platform/seed"
)

const (
	guildhall = "guildhall"
	limit     = "the limit"
)

// plan is what to measure.
type plan struct {
	databases   []string
	users       []int64
	connections []int
	operations  []operation
	rounds      int
	lasting     time.Duration
	short       bool
}

// growthConnections is the number of connections with which databases of all sizes are
// measured. With other numbers only the largest is.
const growthConnections = 16

// where identifies a measurement.
type where struct {
	operation   string
	users       int64
	connections int
	server      string
}

// results of one database.
type results struct {
	database, describes string
	samples             map[where][]sample // one per round
	bytes               map[int64]int64    // by users
	mails               float64            // delivered per second
	memory              memory
}

// pair is guildhall and the limit, each on its own copy of the same data.
type pair struct {
	guildhall, limit *server
	size             seed.Size
}

func (p pair) both() []*server { return []*server{p.guildhall, p.limit} }

type bench struct {
	plan
	guildhall, limit string // the binaries
	dir              string
	say              func(format string, args ...any)
}

// on measures all operations on one kind of database.
func (b *bench) on(ctx context.Context, kind string) (r results, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r = results{database: kind, samples: map[where][]sample{}, bytes: map[int64]int64{}}
	dir, err := os.MkdirTemp(b.dir, "")
	if err != nil {
		return r, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	from, err := openStore(kind, dir)
	if err != nil {
		return r, err
	}
	defer from.close()
	if r.describes, err = from.describe(ctx); err != nil {
		return r, err
	}
	var pairs []pair
	defer func() {
		for _, p := range pairs {
			for _, s := range p.both() {
				_ = s.stop() // stop the others even if this fails
			}
		}
	}()
	for _, users := range b.users {
		p, bytes, err := b.prepare(ctx, from, dir, users)
		pairs = append(pairs, p)
		if err != nil {
			return r, err
		}
		r.bytes[users] = bytes
	}
	b.say("%s: warming up", kind)
	if err := b.warm(ctx, pairs); err != nil {
		return r, err
	}
	for round := range b.rounds {
		b.say("%s: round %d of %d", kind, round+1, b.rounds)
		if err := b.round(ctx, pairs, round, &r); err != nil {
			return r, err
		}
	}
	b.say("%s: mail", kind)
	if r.mails, err = b.deliverMails(ctx, from, dir); err != nil {
		return r, fmt.Errorf("deliver mails: %w", err)
	}
	if b.short {
		return r, nil
	}
	b.say("%s: memory", kind)
	r.memory, err = b.measureMemory(ctx, pairs[len(pairs)-1].guildhall)
	return r, err
}

// prepare fills two databases with the same data and starts a server on each.
func (b *bench) prepare(ctx context.Context, from store, dir string, users int64) (p pair, bytes int64, err error) {
	p = pair{guildhall: &server{}, limit: &server{}, size: seed.Size{Users: users, Organizations: max(2, users/100), Members: 2 * users}}
	name := fmt.Sprintf("of%d", users)
	begun := time.Now()
	url, bytes, err := fill(ctx, from, b.guildhall, dir, name, p.size)
	if err != nil {
		return p, 0, err
	}
	b.say("%d users seeded in %s", users, time.Since(begun).Round(100*time.Millisecond))
	asked, key, err := findStrangers(ctx, url)
	if err != nil {
		return p, 0, err
	}
	other, err := from.duplicate(ctx, url, name+"_limit")
	if err != nil {
		return p, 0, err
	}
	for _, s := range []*server{
		{name: guildhall, binary: b.guildhall, url: url}, {name: limit, binary: b.limit, url: other, settings: []string{"STRANGERS_KEY=" + key}},
	} {
		s.strangers.requests = asked
		s.size, s.dir, s.references = p.size, filepath.Join(dir, name+" "+s.name), map[string][]byte{}
		if err := os.Mkdir(s.dir, 0o700); err != nil {
			return p, 0, err
		}
		if s.name == guildhall {
			p.guildhall = s
		} else {
			p.limit = s
		}
		if err := s.start(ctx); err != nil {
			return p, 0, err
		}
		if err := s.admit(ctx, slices.Max(b.connections)); err != nil {
			return p, 0, err
		}
		if err := s.findPages(ctx); err != nil {
			return p, 0, err
		}
		if s.name == guildhall {
			if err := s.registerAPI(ctx); err != nil {
				return p, 0, err
			}
		}
	}
	for _, s := range p.both() {
		if err := s.admitAdders(ctx); err != nil {
			return p, 0, err
		}
	}
	return p, bytes, compare(ctx, p.guildhall, p.limit)
}

// round measures each operation once for each database and number of connections, on
// guildhall and the limit one after the other, in alternating order.
func (b *bench) round(ctx context.Context, pairs []pair, round int, r *results) error {
	for _, o := range b.operations {
		for _, p := range pairs {
			if err := errors.Join(p.guildhall.renew(ctx), p.limit.renew(ctx)); err != nil {
				return err
			}
		}
		for _, connections := range b.connections {
			for i, p := range pairs {
				isLargest := i == len(pairs)-1
				if !isLargest && (connections != growthConnections || !o.growth) {
					continue
				}
				if o.name == byOffset && (connections != growthConnections || round > 0) {
					continue // slow by nature, and only measured to compare it with the cursor
				}
				servers := p.both()
				if (round+i)%2 == 1 {
					slices.Reverse(servers)
				}
				for _, s := range servers {
					if o.alone != "" && o.alone != s.name {
						continue
					}
					measured, err := b.measure(ctx, o, s, connections, b.lastingOf(o))
					if err != nil {
						return fmt.Errorf("%s, %s, %d users, %d connections: %s: %w\n%s", r.database, s.name, p.size.Users, connections, o.name, err, s.complaints())
					}
					at := where{o.name, p.size.Users, connections, s.name}
					r.samples[at] = append(r.samples[at], measured)
				}
			}
		}
	}
	return nil
}

// warm runs every operation on every server briefly, so that no measurement includes
// connecting, preparing statements and reading files.
func (b *bench) warm(ctx context.Context, pairs []pair) error {
	for _, p := range pairs {
		for _, s := range p.both() {
			for _, o := range b.operations {
				if o.hashing || o.name == byOffset || o.alone != "" && o.alone != s.name {
					continue
				}
				if _, err := b.measure(ctx, o, s, slices.Max(b.connections), warmingUp); err != nil {
					return fmt.Errorf("warm up: %s, %d users: %s: %w", s.name, p.size.Users, o.name, err)
				}
			}
		}
	}
	return nil
}

const warmingUp = 200 * time.Millisecond

func (b *bench) lastingOf(o operation) time.Duration {
	if o.hashing {
		return 3 * b.lasting // few of them fit in a second
	}
	return b.lasting
}

func (b *bench) measure(ctx context.Context, o operation, s *server, connections int, lasting time.Duration) (found sample, err error) {
	steps := make([]step, connections)
	for i := range steps {
		if steps[i], err = o.steps(ctx, s, i, connections); err != nil {
			return found, err
		}
	}
	if found, err = drive(ctx, s.address, connections, lasting, steps); err != nil {
		return found, err
	}
	return found, s.truncateLog()
}
