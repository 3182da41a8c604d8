package config

import (
	"fmt"
	"io"
	"slices"
)

// Setting is one setting in printable form.
type Setting struct {
	Name   string
	Value  string // secrets and the passwords of URLs are masked
	Source string // "flag", "environment", ".env", the YAML file's path, "default", …
}

func (s Setting) String() string { return fmt.Sprintf("%s=%s (%s)", s.Name, s.Value, s.Source) }

// Masked returns all settings with secrets masked, in the order of the documentation.
func (c *Config) Masked() []Setting {
	table := keys()
	settings := make([]Setting, 0, len(table))
	for _, k := range table {
		value := k.bind(c).masked()
		if c.isSecret(value) {
			value = mask
		}
		settings = append(settings, Setting{k.name, value, c.source(k.name)})
	}
	return settings
}

// isSecret reports whether the value of another setting is a secret, too: some mail providers
// take one token as the user name and as the password.
func (c *Config) isSecret(value string) bool {
	all := slices.Concat(c.accessKeys(), c.refreshKeys(), []Secret{c.Mail.Password})
	return value != "" && slices.Contains(all, Secret(value)) // mutant: secret-user-name
}

// Print writes all settings with secrets masked, one per line.
func (c *Config) Print(w io.Writer) error {
	for _, setting := range c.Masked() {
		if _, err := fmt.Fprintln(w, setting); err != nil {
			return err
		}
	}
	return nil
}
