package systems

import (
	"bufio"
	"encoding/base64"
	"encoding/hex"

	"guildhall/platform/moving"
)

// wordpress reads a list of users as wp-cli writes it, or an export of the table wp_users,
// which has the same columns. External ids are WordPress'.
var wordpress = System{Name: "wordpress", files: func(Options) reader { return wordpressReader{} }}

type wordpressReader struct{ alone }

func (wordpressReader) rows(in *bufio.Reader, take moving.Take) error {
	return records(in, func(n int64, r record) error {
		if r.is("deleted") {
			return nil
		}
		return take(n, wordpressPerson(r))
	})
}

func wordpressPerson(u record) *moving.Row {
	p := person(u.text("user_email"), u.text("display_name"), named(u.text("first_name"), u.text("last_name")), nickname(u.text("user_login")))
	identify(p, u.text("ID"))
	p.PasswordHash, p.CreatedAt = wordpressHash(u.text("user_pass")), u.moment("user_registered")
	if status := u.text("user_status"); u.is("spam") || status != "" && status != "0" {
		suspend(p, "", nil)
	}
	return p
}

// wordpressHash returns a hash that says what it is. WordPress takes one of at most 32
// characters for MD5, which it once used, and which people have who did not log in since.
func wordpressHash(hash string) *string {
	if sum, err := hex.DecodeString(hash); err == nil && len(sum) == 16 {
		return new("{MD5}" + base64.StdEncoding.EncodeToString(sum))
	}
	return optional(hash)
}
