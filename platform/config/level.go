package config

import (
	"cmp"
	"strings"

	"github.com/spf13/pflag"
)

// level is one source of settings, before their values are parsed.
type level struct {
	source string            // its name in messages
	values map[string]string // values by NAME or NAME_FILE; an empty one counts as unset
}

// levels returns the sources, lowest precedence first. It warns of names that are
// almost settings.
func (o Options) levels(problems *Problems, c *Config) []level {
	flags := level{"flag", flagValues(o.Flags)}
	environment := level{"environment", environValues(o.Environ)}
	dotenv := level{".env", o.readDotenv(problems, c.warn)}
	c.Warnings = append(append(c.Warnings, dotenv.misspelt()...), environment.misspelt()...)

	path := cmp.Or(flags.values["CONFIG"], environment.values[configVariable], dotenv.values[configVariable])
	return []level{o.yamlLevel(path, problems), dotenv, environment, flags}
}

// resolve returns the settings of a level by name. It reads the files that NAME_FILE
// names, and records the source of each setting.
func (l level) resolve(o Options, problems *Problems, setSource func(name, source string)) map[string]any {
	settings := map[string]any{}
	for _, k := range keys() {
		text, path := l.values[k.name], l.values[k.file()]
		switch {
		case text != "" && path != "":
			problems.add(k.name, "both %s and %s are set (%s)", k.name, k.file(), l.source)
		case text != "":
			settings[k.name] = text
			setSource(k.name, l.source)
		case path != "":
			content, err := o.readValue(path)
			if err != nil {
				problems.add(k.name, "the file that %s names %v (%s)", k.file(), err, l.source)
				continue
			}
			settings[k.name] = content
			setSource(k.name, l.source+", "+k.file())
		}
	}
	return settings
}

func flagValues(flags *pflag.FlagSet) map[string]string {
	values := map[string]string{}
	if flags == nil {
		return values
	}
	flags.Visit(func(f *pflag.Flag) { // only flags that were given
		values[strings.ReplaceAll(strings.ToUpper(f.Name), "-", "_")] = f.Value.String()
	})
	return values
}

func environValues(environ []string) map[string]string {
	values := make(map[string]string, len(environ))
	for _, entry := range environ {
		name, text, _ := strings.Cut(entry, "=")
		values[name] = text
	}
	return values
}
