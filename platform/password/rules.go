package password

import (
	"context"
	"crypto/sha1" //nolint:gosec // the list's hash: it finds a password, and protects none
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"guildhall/platform/fault"
	"guildhall/platform/field"
)

// RulesOptions are the options of Rules. The zero value is right where no list of breached
// passwords is configured.
type RulesOptions struct {
	// BreachedFile is the path of a list of breached passwords; empty if there is none.
	BreachedFile string
	Log          *slog.Logger
	Now          func() time.Time
	// LookedUp is called after each search in that list: with clear, breached, or failed. It
	// may be nil.
	LookedUp func(result string)
}

// Rules judges new passwords. It is safe for concurrent use.
type Rules struct {
	options RulesOptions
	file    breachedFile

	mu       sync.Mutex
	loggedAt time.Time // when a failure to search was last logged
	unlogged int       // failures since then
}

// NewRules returns Rules.
func NewRules(o RulesOptions) *Rules {
	return &Rules{options: o, file: breachedFile{path: o.BreachedFile}}
}

// Check returns what is wrong with a new password (a fault.Problem), or nil if it is
// acceptable. The email is the account's. It refuses a password that is too short or
// too long, a common one, one of a data breach, and the email address. It has no composition
// rules (NIST SP 800-63B §3.1.1.2).
//
// If the list of breached passwords can't be read, the other rules still apply: people have to
// be able to set a password while an operator repairs a disk.
func (r *Rules) Check(ctx context.Context, password, email string) error {
	if err := new(field.NewPassword).UnmarshalText([]byte(password)); err != nil {
		return err
	}
	if err := CheckEmail(password, email); err != nil {
		return err
	}
	if isCommon(password) || r.isBreached(ctx, password) { // mutant: breached-password
		return fault.CommonPassword
	}
	return nil
}

// CheckFile returns why the list of breached passwords can't be used, or nil.
func (r *Rules) CheckFile() error {
	if err := CheckBreachedFile(r.file.path); err != nil {
		return fmt.Errorf("PASSWORD_BREACHED_FILE: %w", err)
	}
	return nil
}

func (r *Rules) isBreached(ctx context.Context, password string) bool {
	if r.file.path == "" {
		return false
	}
	breached, err := r.file.has(fmt.Sprintf("%X", sha1.Sum([]byte(password)))) //nolint:gosec // as above
	result := "clear"
	switch {
	case err != nil:
		result = "failed"
		r.failed(ctx, err)
	case breached:
		result = "breached"
	}
	if r.options.LookedUp != nil {
		r.options.LookedUp(result)
	}
	return breached
}

// logInterval is how often a failure to read the list is logged: each new password causes one.
const logInterval = time.Minute

func (r *Rules) failed(ctx context.Context, cause error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.options.Now()
	if !r.loggedAt.IsZero() && now.Sub(r.loggedAt) < logInterval { // mutant: breached-log
		r.unlogged++
		return
	}
	r.options.Log.ErrorContext(ctx, "a new password was not looked up in the list of breached passwords", "cause", cause, "others_since_last_line", r.unlogged)
	r.loggedAt, r.unlogged = now, 0
}

// breachedFile is the file of a breachedList. It is opened for each search, so that an
// operator can replace it by another one at any time.
type breachedFile struct {
	path string

	mu     sync.Mutex
	proved fs.FileInfo // of the file that sample has accepted; nil if none
}

// CheckBreachedFile returns why a file can't be used as a list of breached passwords, and what
// to do about it, or nil. It reads a sample of it. No path is no problem.
func CheckBreachedFile(path string) error {
	if path == "" {
		return nil
	}
	return (&breachedFile{path: path}).use(func(breachedList) error { return nil })
}

func (b *breachedFile) has(hash string) (found bool, err error) {
	err = b.use(func(l breachedList) (err error) {
		found, err = l.has(hash)
		return err
	})
	return found, err
}

// use opens the file, and calls with its list. It samples a file that is new or has changed.
func (b *breachedFile) use(with func(breachedList) error) error {
	if info, err := os.Stat(b.path); err == nil && !info.Mode().IsRegular() { // to open a pipe would wait
		return b.explain(errNotRegular)
	}
	file, err := os.Open(b.path)
	if err != nil {
		return b.explain(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return b.explain(err)
	}
	list := breachedList{file, info.Size()}
	if err := b.prove(list, info); err != nil {
		return b.explain(err)
	}
	return b.explain(with(list))
}

func (b *breachedFile) prove(list breachedList, info fs.FileInfo) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.proved != nil && os.SameFile(b.proved, info) && b.proved.Size() == info.Size() && b.proved.ModTime().Equal(info.ModTime()) {
		return nil
	}
	if err := list.sample(); err != nil { // mutant: breached-sample
		return err
	}
	b.proved = info
	return nil
}

var errNotRegular = errors.New("is not a file")

// explain adds what an operator can do about an error.
func (b *breachedFile) explain(err error) error {
	remedy := "look at its disk"
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s does not exist: download it with haveibeenpwned-downloader, or correct the path", b.path)
	case errors.Is(err, fs.ErrPermission):
		remedy = "let the service's user read it"
	case errors.Is(err, errNotRegular):
		remedy = "download the list as one file, without -s false"
	case errors.Is(err, errUnsorted):
		remedy = "download it again; a list that is sorted by how often passwords occur can't be used"
	case errors.Is(err, errNotAList), errors.Is(err, errEmpty):
		remedy = "download it again, without -n"
	}
	var wrapped *fs.PathError
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return fmt.Errorf("%s: %w: %s", b.path, err, remedy)
}
