package backup

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/person"
)

// TestTheListOfTheErased: processes add to it at once, nobody is in it twice, and what a person
// wrote into it by hand is kept.
func TestTheListOfTheErased(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := time.Date(2026, 12, 14, 9, 0, 0, 0, time.UTC)
	var people []person.Erased
	for range 20 {
		people = append(people, person.Erased{ID: uuid.New(), At: at})
	}
	var work sync.WaitGroup
	for i := range people {
		work.Go(func() {
			if err := NoteErased(dir, people[i], people[(i+1)%len(people)]); err != nil {
				t.Error(err)
			}
		})
	}
	work.Wait()
	path := ErasedList(filepath.Join(dir, "any.db"))
	all, err := ReadErased(path)
	if err != nil || len(all) != len(people) {
		t.Errorf("%d people, want %d: %v", len(all), len(people), err)
	}
	for _, e := range all {
		if !e.At.Equal(at) {
			t.Errorf("%v", e)
		}
	}
	for _, bad := range []string{"x", people[0].ID.String(), people[0].ID.String() + " yesterday"} {
		if err := os.WriteFile(path, []byte(ErasedLine(people[0])+"\n"+bad+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadErased(path); err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%q: %v", bad, err)
		}
		if err := NoteErased(dir, people[1]); err == nil {
			t.Errorf("%q was overwritten", bad)
		}
	}
}
