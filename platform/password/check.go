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

// CheckEmail returns the problem of a password that is the email address of its account, or
// nil. It needs no minimum length for the local part: Rules refuse a password that is too
// short.
func CheckEmail(password, email string) error {
	email = field.Login(email).CanonicalEmail()
	local, _, _ := strings.Cut(email, "@")
	if strings.EqualFold(password, local) || strings.EqualFold(field.Login(password).CanonicalEmail(), email) {
		return fault.EmailAsPassword
	}
	return nil
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
