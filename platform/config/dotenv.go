package config

import (
	"errors"
	"io/fs"
	"regexp"
	"strings"
)

// readDotenv reads the optional .env.
func (o Options) readDotenv(problems *Problems, warn func(name, format string, args ...any)) map[string]string {
	content, err := o.read(".env")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		problems.add(".env", "%v", err)
		return nil
	}
	values := map[string]string{}
	number := 0
	for text := range strings.Lines(string(content)) {
		number++
		name, value, err := dotenvLine(text)
		switch {
		case err != nil && isSetting(name):
			problems.add(".env", "line %d, %s, %v", number, name, err)
		case err != nil:
			problems.add(".env", "line %d %v", number, err)
		case name != "":
			values[name] = value
			if isSetting(name) && wasExpanded(value) {
				warn(".env", "line %d: the value of %s is read literally, including $ and backslashes; earlier versions expanded them", number, name)
			}
		}
	}
	return values
}

var settingName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.]*$`)

// dotenvLine returns the setting of a line. Its name is empty for a blank line and for
// a comment. Quotes around the value are removed, and nothing is expanded, because a
// secret may contain a $. The errors do not quote the line, which may be a secret, nor
// a name that is not a setting.
func dotenvLine(line string) (name, value string, err error) {
	line = strings.TrimSpace(line)
	if line == "" || strings.HasPrefix(line, "#") {
		return "", "", nil
	}
	if rest, found := strings.CutPrefix(line, "export "); found {
		line = strings.TrimSpace(rest)
	}
	name, value, found := strings.Cut(line, "=")
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	switch {
	case !found:
		return "", "", errors.New("is not NAME=value")
	case !settingName.MatchString(name):
		return "", "", errors.New("has no name of letters, digits and _ before its =")
	case value != "" && strings.ContainsRune(`"'`, rune(value[0])):
		value, err = unquoted(value)
		return name, value, err
	}
	return name, beforeComment(value), nil
}

// unquoted returns what is between the first character, a quote, and the first quote of
// the same kind that is followed by nothing or by a comment.
func unquoted(value string) (string, error) {
	quote := value[0]
	for end := 1; end < len(value); end++ {
		if value[end] == quote && strings.TrimSpace(beforeComment(value[end+1:])) == "" {
			return value[1:end], nil
		}
	}
	return "", errors.New("opens a quote that is not closed on the same line")
}

// beforeComment cuts a text at the first # that follows white space or begins the text.
func beforeComment(text string) string {
	for i := range len(text) {
		if text[i] == '#' && (i == 0 || text[i-1] == ' ' || text[i-1] == '\t') {
			return strings.TrimRight(text[:i], " \t")
		}
	}
	return text
}

var expanded = regexp.MustCompile(`\\|\$[A-Za-z_{(]`)

// wasExpanded reports whether an earlier version read a value differently: it replaced
// $NAME and removed backslashes.
func wasExpanded(value string) bool { return expanded.MatchString(value) }
