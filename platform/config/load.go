package config

import (
	"strings"

	"github.com/spf13/pflag"
	"github.com/spf13/viper"
)

// Options are the inputs of Load. It reads no other state of the process.
type Options struct {
	Dir     string         // where .env, configs/ and relative NAME_FILEs are; the working directory if empty
	Environ []string       // in the form of os.Environ; nil is an empty environment
	Flags   *pflag.FlagSet // registered by Flags, and parsed; nil if there are none
}

// Load returns the configuration. Flags have precedence over the environment, then come
// .env, the YAML file and the defaults. If Load returns an error, it is of type
// Problems and lists everything that is wrong.
func Load(o Options) (*Config, error) {
	var problems Problems
	cfg := &Config{}

	// The levels are merged here and not by viper's BindEnv and BindPFlag, which read
	// the process's environment and support neither .env nor NAME_FILE.
	store := viper.New()
	for _, level := range o.levels(&problems, cfg) {
		if err := store.MergeConfigMap(level.resolve(o, &problems, cfg.setSource)); err != nil {
			return nil, err
		}
	}
	for _, k := range keys() {
		store.SetDefault(k.name, k.defaultIn(plainWord(store.GetString("ENVIRONMENT")), store.GetString("DATA_DIR")))
		cfg.set(k, store.GetString(k.name), &problems)
	}
	cfg.validate(&problems)

	if len(problems) > 0 {
		return nil, problems
	}
	return cfg, nil
}

// set parses one setting. It skips a setting that has a problem already, which has been
// reported.
func (c *Config) set(k key, text string, problems *Problems) {
	if text == "" || problems.has(k.name) {
		return
	}
	source, fault := c.source(k.name), wrapping(text)
	err := k.bind(c).parse(text)
	switch {
	case err != nil && fault != "":
		problems.add(k.name, "%s (%s)", fault, source)
	case err != nil:
		problems.add(k.name, "%v (%s)", err, source)
	case fault != "" && !forgives(k.bind(c)):
		c.warn(k.name, "%s (%s)", fault, source)
	}
}

// wrapping returns a problem, as the end of a sentence, if a value is wrapped in
// characters that were probably not meant to be part of it. Programs other than a
// shell, such as Docker with its env_file, keep quotes and white space.
func wrapping(text string) string {
	trimmed := strings.TrimSpace(text)
	switch {
	case len(trimmed) > 1 && trimmed[0] == trimmed[len(trimmed)-1] && strings.ContainsRune("\"'`", rune(trimmed[0])):
		return "is wrapped in quotes, which are a part of the value: remove them (Docker's env_file keeps them)"
	case trimmed != text:
		return "begins or ends with white space, which is a part of the value: remove it (Docker's env_file keeps it)"
	}
	return ""
}

// forgives reports whether white space around a value is ignored.
func forgives(v value) bool {
	switch v := v.(type) {
	case word, list, replicaURLs, providers:
		return true
	case secrets:
		return len(*v.retired) > 0
	}
	return false
}

const (
	sourceDefault = "default"
	sourceMade    = "made for development"
)

func (c *Config) source(name string) string {
	if source, ok := c.sources[name]; ok {
		return source
	}
	return sourceDefault
}

func (c *Config) setSource(name, source string) {
	if c.sources == nil {
		c.sources = map[string]string{}
	}
	c.sources[name] = source
}
