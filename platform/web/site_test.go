package web

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"guildhall/platform/audit"
)

// TestTextsAreThere checks that the languages have the same texts, and a sentence for each
// event.
func TestTextsAreThere(t *testing.T) {
	var keys []string
	for _, locale := range Locales {
		raw, err := ownFiles.ReadFile("locales/" + locale + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var texts map[string]string
		if err := json.Unmarshal(raw, &texts); err != nil {
			t.Fatal(err)
		}
		var these []string
		for key, text := range texts {
			if these = append(these, key); strings.TrimSpace(text) == "" {
				t.Errorf("%s: %s is empty", locale, key)
			}
		}
		slices.Sort(these)
		if keys == nil {
			keys = these
		} else if !slices.Equal(keys, these) {
			t.Errorf("%s has other texts than %s", locale, Locales[0])
		}
		for _, action := range audit.Actions() {
			if texts["event_"+string(action)] == "" {
				t.Errorf("%s: %s has no sentence", locale, action)
			}
		}
	}
}

// TestUnknownPages checks what a person sees at an address without a page.
func TestUnknownPages(t *testing.T) {
	s, err := New(http.NotFoundHandler(), Options{Account: true, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(method, "/account/none", nil))
		if body := w.Body.String(); w.Code != http.StatusNotFound || !strings.Contains(body, "There is no such page.") || !strings.Contains(body, `href="/account"`) {
			t.Errorf("%s: %d %s", method, w.Code, body)
		}
	}
}

// TestTheReaderOfAnEvent checks the sentences about people whose names are not known.
func TestTheReaderOfAnEvent(t *testing.T) {
	en, err := textsOf("en", ownFiles)
	if err != nil {
		t.Fatal(err)
	}
	ada, grace := "Ada {about}", "Grace"
	for _, c := range []struct {
		event Event
		want  string
	}{
		{Event{Action: "member.added", ActorName: &ada, UserName: &grace}, "Ada {about} added Grace"},
		{Event{Action: "member.added", ActorRole: "command_line"}, "The command line added someone"},
		{Event{Action: "user.suspended", ActorRole: "platform_administrator", UserName: &grace}, "A platform administrator suspended Grace"},
		{Event{Action: "of.a.later.version", ActorName: &grace}, "Grace: of.a.later.version"},
	} {
		if got := en.event(c.event); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	for name, want := range map[string]string{"Ada": "A", "Ada King Lovelace": "AL", "": "", "éa b": "ÉB"} {
		if got := Initials(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	at := time.Date(2026, 11, 29, 11, 5, 0, 0, time.FixedZone("", 3600))
	if html, err := en.time(at); err != nil || fmt.Sprint(html) != `<time datetime="2026-11-29T10:05:00Z">29 Nov 2026, 10:05 UTC</time>` {
		t.Errorf("%s %v", html, err)
	}
}
