package keyring

import (
	"errors"
	"testing"
)

func TestSealedTextOpensOnlyWhereItBelongs(t *testing.T) {
	t.Parallel()
	first, second := []byte("the first secret, of 32 bytes or more"), []byte("the second secret, of 32 bytes or more")
	sealer := func(k *Keyring, purpose string) *Sealer {
		t.Helper()
		s, err := k.Sealer(purpose)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	before := sealer(New(first), "mail")
	sealed, err := before.Seal([]byte("text"), "row 1")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := before.Seal([]byte("text"), "row 1"); err != nil || again == sealed {
		t.Errorf("the same text is sealed to the same bytes (%v)", err)
	}
	for name, s := range map[string]*Sealer{"the same": before, "after a rotation": sealer(New(second, first), "mail")} {
		if text, err := s.Open(sealed, "row 1"); err != nil || string(text) != "text" {
			t.Errorf("%s: %q %v", name, text, err)
		}
	}
	changed := "A" + sealed[1:]
	if changed == sealed {
		changed = "B" + sealed[1:]
	}
	for name, open := range map[string]func() ([]byte, error){
		"another place":   func() ([]byte, error) { return before.Open(sealed, "row 2") },
		"another purpose": func() ([]byte, error) { return sealer(New(first), "keys").Open(sealed, "row 1") },
		"another secret":  func() ([]byte, error) { return sealer(New(second), "mail").Open(sealed, "row 1") },
		"changed":         func() ([]byte, error) { return before.Open(changed, "row 1") },
		"cut off":         func() ([]byte, error) { return before.Open(sealed[:8], "row 1") },
		"not base64":      func() ([]byte, error) { return before.Open("%"+sealed, "row 1") },
	} {
		if text, err := open(); !errors.Is(err, ErrNotSealed) {
			t.Errorf("%s: %q %v", name, text, err)
		}
	}
}
