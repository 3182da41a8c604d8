package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"guildhall/platform/databaseurl"
	"guildhall/platform/password"
	"guildhall/platform/token"
)

// value is the typed side of a setting: a pointer to a field of Config, and how to
// convert text to its type. Errors of parse read as the end of a sentence that begins
// with the setting's name. They quote no secret.
type value interface {
	parse(text string) error
	masked() string // printable, in a form that parse accepts
	kind() string
}

type text struct {
	target *string
	check  func(string) error
}

func (t text) kind() string   { return "string" }
func (t text) masked() string { return *t.target }

func (t text) parse(s string) error {
	if strings.ContainsFunc(s, unicode.IsControl) {
		return errors.New("has a control character in it")
	}
	if err := t.check(s); err != nil {
		return fmt.Errorf("%q %w", s, err)
	}
	*t.target = s
	return nil
}

// word is one of several words, in upper or lower case: Production is production.
type word struct {
	target *string
	check  func(string) error
}

func (w word) kind() string   { return "string" }
func (w word) masked() string { return *w.target }

func (w word) parse(s string) error { return text(w).parse(plainWord(s)) }

func plainWord(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// secrets are one secret, or a JSON array of several of which the first one signs. A
// text that is not such an array is one secret, even if it contains commas or brackets.
type secrets struct {
	target  *Secret
	retired *[]Secret
}

func (s secrets) kind() string { return "string" }

func (s secrets) masked() string {
	if len(*s.retired) == 0 {
		return s.target.String()
	}
	return jsonText(slices.Repeat([]string{mask}, 1+len(*s.retired)))
}

func (s secrets) parse(text string) error {
	var several []Secret
	if json.Unmarshal([]byte(text), &several) != nil {
		several = []Secret{Secret(text)}
	}
	if len(several) == 0 {
		return errors.New("is a list without a secret")
	}
	if i := slices.Index(several, ""); i >= 0 {
		return fmt.Errorf("has no secret as number %d of its list", i+1)
	}
	*s.target, *s.retired = several[0], several[1:]
	return nil
}

// namedSecrets are a JSON object of names and secrets.
type namedSecrets struct{ target *map[string]Secret }

func (n namedSecrets) kind() string   { return "string" }
func (n namedSecrets) masked() string { return jsonText(*n.target) }

func (n namedSecrets) parse(text string) error {
	var all map[string]Secret
	if json.Unmarshal([]byte(text), &all) != nil || all == nil { // the error would quote a secret
		return errors.New("is not a JSON object of names and secrets")
	}
	keys := password.Keys{}
	for name, secret := range all {
		keys[name] = secret.Reveal()
	}
	*n.target = all
	return keys.Check()
}

type boolean struct{ target *bool }

func (b boolean) kind() string   { return "bool" }
func (b boolean) masked() string { return strconv.FormatBool(*b.target) }

func (b boolean) parse(text string) error {
	v, err := strconv.ParseBool(text)
	if err != nil {
		return fmt.Errorf("%q is neither true nor false", text)
	}
	*b.target = v
	return nil
}

type number struct {
	target   *int
	min, max int
}

func (n number) kind() string   { return "int" }
func (n number) masked() string { return strconv.Itoa(*n.target) }

func (n number) parse(text string) error {
	v, err := strconv.Atoi(text)
	if err != nil {
		return fmt.Errorf("%q is not a whole number from %d to %d", text, n.min, n.max)
	}
	if v < n.min || v > n.max {
		return fmt.Errorf("%d is not from %d to %d", v, n.min, n.max)
	}
	*n.target = v
	return nil
}

type hashParameters struct{ target *password.Parameters }

func (h hashParameters) kind() string   { return "string" }
func (h hashParameters) masked() string { return h.target.String() }

func (h hashParameters) parse(text string) error {
	p, err := password.ParseParameters(text)
	if err != nil {
		return fmt.Errorf("%q %w", text, err)
	}
	*h.target = p
	return nil
}

// span is a duration given as a number of the unit in the setting's name.
type span struct {
	target   *time.Duration
	unit     time.Duration
	min, max int
}

func (s span) kind() string   { return "int" }
func (s span) masked() string { return strconv.Itoa(int(*s.target / s.unit)) }

func (s span) parse(text string) error {
	var n int
	if err := (number{&n, s.min, s.max}).parse(text); err != nil {
		return err
	}
	*s.target = time.Duration(n) * s.unit
	return nil
}

type list struct {
	target *[]string
	check  func(string) error
}

func (l list) kind() string { return "list" }

func (l list) masked() string {
	items := make([]string, 0, len(*l.target))
	for _, item := range *l.target {
		items = append(items, databaseurl.Mask(item))
	}
	return jsonText(items)
}

func (l list) parse(text string) error {
	items, err := splitList(text)
	if err != nil {
		return err
	}
	var faults []string
	for _, item := range items {
		if err := l.check(item); err != nil {
			faults = append(faults, fmt.Sprintf("%q %v", databaseurl.Mask(item), err))
		}
	}
	if faults != nil {
		return errors.New(strings.Join(faults, ", "))
	}
	*l.target = items
	return nil
}

// splitList accepts a JSON array, as the FastAPI service did, or values separated by
// commas, as people write them.
func splitList(text string) ([]string, error) {
	if strings.HasPrefix(strings.TrimSpace(text), "[") {
		var items []string
		if err := json.Unmarshal([]byte(text), &items); err != nil {
			return nil, errors.New("begins with [ but is not a JSON array of strings")
		}
		return items, nil
	}
	var items []string
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items, nil
}

func jsonText[T []string | map[string]Secret | []Provider](items T) string {
	b, _ := json.Marshal(items) // strings can always be marshalled
	return string(b)
}

func anything(string) error { return nil }

func oneOf(words ...string) func(string) error {
	return func(s string) error {
		if !slices.Contains(words, s) {
			return fmt.Errorf("is not one of %s", strings.Join(words, ", "))
		}
		return nil
	}
}

func keyPrefix(s string) error {
	if !token.IsKeyPrefix(s) {
		return errors.New("is not a lower-case letter and 1 to 14 lower-case letters or digits, or begins with gh")
	}
	return nil
}

func oneWord(s string) error {
	if !onlyContains(s, "abcdefghijklmnopqrstuvwxyz0123456789-_") {
		return errors.New("is not a word of letters, digits, - and _")
	}
	return nil
}

func hostName(s string) error {
	if net.ParseIP(s) != nil || isHostName(s) {
		return nil
	}
	return errors.New("is neither an IP address nor a host name (the port is PORT's)")
}

// hostPort is an address to listen on, or none. Without a host it means every address
// of the machine.
type hostPort struct{ target *string }

const none = "none"

func (h hostPort) kind() string { return "string" }

func (h hostPort) masked() string {
	if *h.target == "" {
		return none
	}
	return *h.target
}

func (h hostPort) parse(s string) error {
	if s == none {
		*h.target = ""
		return nil
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil || host != "" && hostName(host) != nil {
		return fmt.Errorf("%q is neither host:port nor none", s)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%q has no port from 0 to 65535", s)
	}
	*h.target = s
	return nil
}

// path is one of a directory or of a file, or none.
type path struct{ target *string }

func (p path) kind() string { return "string" }

func (p path) masked() string { return hostPort(p).masked() }

func (p path) parse(s string) error {
	if s == none {
		*p.target = ""
		return nil
	}
	return text{p.target, anything}.parse(s)
}

func isHostName(s string) bool {
	return s != "" && onlyContains(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz0123456789-_.")
}

func onlyContains(s, alphabet string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !strings.ContainsRune(alphabet, r) })
}

// addressOrRange parses as Gin will, so that Gin accepts what this accepts.
func addressOrRange(s string) error {
	if net.ParseIP(s) != nil {
		return nil
	}
	if _, _, err := net.ParseCIDR(s); err == nil {
		return nil
	}
	return errors.New("is neither an IP address nor a CIDR range")
}
