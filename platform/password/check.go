package password

import (
	_ "embed"
	"sort"
	"strings"

	"guildhall/platform/fault"
	"guildhall/platform/field"
)

// common has one password per line, in lower case and in byte order. It is searched in
// place in the binary: no copy, no map, no work at start-up.
//
//go:embed common.txt
var common string

// Check returns what is wrong with a new password (a fault.Problem), or nil if it is
// acceptable. The email is the account's. It refuses a password that is too short or
// too long, a common one, and the email address. It has no composition rules (NIST SP
// 800-63B §3.1.1.2).
func Check(password, email string) error {
	if err := new(field.NewPassword).UnmarshalText([]byte(password)); err != nil {
		return err
	}
	if isEmail(password, email) {
		return fault.EmailAsPassword
	}
	if isCommon(password) {
		return fault.CommonPassword
	}
	return nil
}

// isEmail needs no minimum length for the local part: a password that is too short was
// refused before.
func isEmail(password, email string) bool {
	email = field.Login(email).CanonicalEmail()
	local, _, _ := strings.Cut(email, "@")
	return strings.EqualFold(password, local) || strings.EqualFold(field.Login(password).CanonicalEmail(), email)
}

func isCommon(password string) bool {
	word := strings.ToLower(password)
	// Search the byte positions of the list, each of which stands for the line that it is
	// in, for the first line that is not before the word.
	at := sort.Search(len(common), func(i int) bool { return lineAt(i) >= word })
	return at < len(common) && lineAt(at) == word
}

func lineAt(i int) string {
	start := strings.LastIndexByte(common[:i], '\n') + 1
	line, _, _ := strings.Cut(common[start:], "\n")
	return line
}
