package password

import (
	_ "embed"
	"sort"
	"strings"

	"guildhall/platform/field"
)

// common holds one password a line, in lower case and in the order of bytes.
// It is searched where it lies in the binary: no copy, no map, no start-up work.
//
//go:embed common.txt
var common string

// Check says what is wrong with a password that somebody chooses, in a sentence
// that may be shown to them, or "" if nothing is. The email is the account's.
// There are no rules of composition (NIST SP 800-63B §3.1.1.2): length, and
// nothing that is guessed first.
func Check(password, email string) (problem string) {
	if err := new(field.NewPassword).UnmarshalText([]byte(password)); err != nil {
		return err.Error()
	}
	if isEmail(password, email) {
		return "must not be the email address, nor the part of it before the @."
	}
	if isCommon(password) {
		return "must not be a common password that others would guess."
	}
	return ""
}

// isEmail needs no length for the local part: a shorter one than a password was
// refused before.
func isEmail(password, email string) bool {
	email = field.Login(email).CanonicalEmail()
	local, _, _ := strings.Cut(email, "@")
	return strings.EqualFold(password, local) || strings.EqualFold(field.Login(password).CanonicalEmail(), email)
}

func isCommon(password string) bool {
	word := strings.ToLower(password)
	// The first byte of the list whose line is not before the word: byte
	// positions are searched, each standing for the line that it is in.
	at := sort.Search(len(common), func(i int) bool { return lineAt(i) >= word })
	return at < len(common) && lineAt(at) == word
}

func lineAt(i int) string {
	start := strings.LastIndexByte(common[:i], '\n') + 1
	line, _, _ := strings.Cut(common[start:], "\n")
	return line
}
