package recent_test

import (
	"testing"

	"guildhall/platform/recent"
)

func TestUsedEntriesStayAndOthersAreDropped(t *testing.T) {
	m := recent.New[int, string](10)
	if _, found := m.Find(0); found {
		t.Error("found in nothing")
	}
	m.Keep(0, "first")
	m.Keep(0, "second")
	for i := 1; i <= 100; i++ {
		if v, found := m.Find(0); !found || v != "second" {
			t.Fatalf("after %d others: %q, %t", i, v, found)
		}
		m.Keep(i, "other")
	}
	kept := 0
	for i := 1; i <= 100; i++ {
		if _, found := m.Find(i); found {
			kept++
		}
	}
	if kept == 0 || kept > 20 {
		t.Errorf("%d of 100 are kept", kept)
	}
}
