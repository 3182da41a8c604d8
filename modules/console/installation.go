package console

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"guildhall/platform/web"
)

// administrator is a platform administrator.
type administrator struct {
	ID, Name, Email string
	Granted         time.Time `json:"granted_at"`
}

// administratorsOf returns all platform administrators, who are few.
func administratorsOf(r *web.Request) (all []administrator, err error) {
	return all, r.Call(http.MethodGet, "/platform/administrators?limit=1000", nil, &all)
}

func (m *Module) administrators(r *web.Request) (err error) {
	page := platformPage(r, "administrators", "administrators")
	if page.Data, err = administratorsOf(r); err != nil {
		return err
	}
	return r.Show("administrators", page)
}

// status is the status of the installation.
type status struct {
	Version string
	Started time.Time `json:"started_at"`
	Schema  struct {
		Version        string
		Pending, Newer int
	}
	Database struct {
		Driver, Version string
		Bytes           *int64 `json:"size_bytes"`
		Standbys        int
		InUse           int `json:"standbys_in_use"`
	}
	Backups *struct {
		Seconds  int64 `json:"interval_seconds"`
		Keep     int
		Last     *time.Time `json:"last_at"`
		Next     time.Time  `json:"next_at"`
		Failures int64
		Failed   *time.Time `json:"failed_at"`
		Failure  *string
	}
	Mail struct {
		Transport                   string
		Pending, Failed, Suppressed int64
		Oldest                      *time.Time `json:"oldest_pending_at"`
	}

	Size     string `json:"-"` // of the database
	Interval string `json:"-"` // of the backups
}

// health shows how the installation fares.
func (m *Module) health(r *web.Request) error {
	var s status
	if err := r.Call(http.MethodGet, "/platform/status", nil, &s); err != nil {
		return err
	}
	if s.Database.Bytes != nil {
		s.Size = size(r, *s.Database.Bytes)
	}
	if s.Backups != nil {
		s.Interval = interval(r, s.Backups.Seconds)
	}
	page := platformPage(r, "health", "health")
	page.Data = s
	return r.Show("health", page)
}

// size is a number of bytes in the unit that people read.
func size(r *web.Request, bytes int64) string {
	n, units := float64(bytes), []string{"B", "kB", "MB", "GB", "TB"}
	for n >= 999.95 && len(units) > 1 {
		n, units = n/1000, units[1:]
	}
	number := strings.TrimSuffix(fmt.Sprintf("%.1f", n), ".0")
	return strings.Replace(number, ".", r.Text("decimal_sign"), 1) + " " + units[0]
}

// interval says how often something is done.
func interval(r *web.Request, seconds int64) string {
	if seconds%3600 == 0 {
		return r.Text("every_hours", seconds/3600)
	}
	return r.Text("every_minutes", seconds/60)
}

// finding is what the production checklist says of one thing.
type finding struct {
	OK, Warn      bool
	Name, Message string
}

// Verdict is the key of the text that says how good it is, without its beginning.
func (f finding) Verdict() string {
	switch {
	case !f.OK:
		return "bad"
	case f.Warn:
		return "warn"
	}
	return "ok"
}

// configurationPage shows the production checklist and the settings.
type configurationPage struct {
	Findings []finding
	Settings []struct{ Name, Value, Source string }
}

func (m *Module) configuration(r *web.Request) error {
	var data configurationPage
	if err := r.Call(http.MethodGet, "/platform/checks", nil, &data); err != nil {
		return err
	}
	// What is wrong comes first, and what is possibly wrong.
	rank := func(f finding) int { return slices.Index([]string{"bad", "warn", "ok"}, f.Verdict()) }
	slices.SortStableFunc(data.Findings, func(a, b finding) int { return cmp.Compare(rank(a), rank(b)) })
	page := platformPage(r, "configuration", "configuration")
	page.Data = data
	return r.Show("configuration", page)
}

// signingKey is a key that signs access tokens.
type signingKey struct {
	ID, Algorithm, State string
	From                 time.Time  `json:"signs_from"`
	Ends                 *time.Time `json:"ends_at"`

	Named string `json:"-"` // what the state is called
}

// signingKeysPage shows the keys that sign access tokens, the latest first.
type signingKeysPage struct {
	Keys []signingKey
	Next *time.Time `json:"next_rotation_at"`
}

func (m *Module) signingKeys(r *web.Request) error {
	var data signingKeysPage
	if err := r.Call(http.MethodGet, "/platform/signing-keys", nil, &data); err != nil {
		return err
	}
	slices.Reverse(data.Keys)
	for i := range data.Keys {
		data.Keys[i].Named = r.Text("state_" + data.Keys[i].State)
	}
	page := platformPage(r, "signing-keys", "signing_keys")
	page.Data = data
	return r.Show("signing-keys", page)
}
