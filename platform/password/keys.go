package password

import (
	"fmt"
	"regexp"
	"strings"
)

// Keys are secrets of other systems without which their hashes can't be checked, by the
// names that the hashes have for them: Firebase's signer key in base64, Devise's pepper. A
// stored hash has only the name: whoever reads the database, or a backup of it, must not
// find a pepper beside the hashes that it protects.
type Keys map[string]string

var keyName = regexp.MustCompile(`^[a-z0-9_-]{1,32}$`)

// Check returns what is wrong with the keys, or nil.
func (k Keys) Check() error {
	for name, key := range k {
		switch {
		case !keyName.MatchString(name):
			return fmt.Errorf("has the name %q, which is not 1 to 32 of a-z, 0-9, _ and -", name)
		case key == "":
			return fmt.Errorf("has no key for the name %q", name)
		}
	}
	return nil
}

func (k Keys) find(name string) (string, error) {
	key, ok := k[name]
	switch {
	case !keyName.MatchString(name):
		return "", fmt.Errorf("%w: bad name of a key", errUnreadable)
	case !ok:
		return "", fmt.Errorf("%w: PASSWORD_IMPORT_KEYS has no key %q, which the hash needs", errUnreadable, name)
	}
	return key, nil
}

// cutKeyName cuts the name of a key off the parameters after it.
func cutKeyName(s string) (name, rest string, err error) {
	rest, ok := strings.CutPrefix(s, "k=")
	if !ok {
		return "", "", fmt.Errorf("%w: no name of a key", errUnreadable)
	}
	name, rest, _ = strings.Cut(rest, ",")
	return name, rest, nil
}
