package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/viper"
)

// yamlLevel reads the YAML file that was asked for, or the default one if it exists.
func (o Options) yamlLevel(path string, problems *Problems) level {
	asked := path != ""
	if !asked {
		path = defaultYAML
	}
	content, err := o.read(path)
	if errors.Is(err, fs.ErrNotExist) && !asked {
		return level{}
	}
	if err != nil {
		problems.add(path, "%v", err)
		return level{}
	}
	return level{path, parseYAML(path, content, problems)}
}

// parseYAML parses a flat map of settings. It decodes with viper's codec but not with
// ReadConfig, which would ignore the case of names and so let one of PORT and port win
// by chance.
func parseYAML(path string, content []byte, problems *Problems) map[string]string {
	decoder, err := viper.NewCodecRegistry().Decoder("yaml")
	if err != nil {
		problems.add(path, "%v", err)
		return nil
	}
	raw := map[string]any{}
	if err := decoder.Decode(content, raw); err != nil {
		problems.add(path, "%s is not valid YAML, repeats a name, or is not NAME: value", faultyLine(err))
		return nil
	}

	kinds := map[string]string{}
	for _, k := range keys() {
		kinds[k.name], kinds[k.file()] = k.kind(), "string"
	}
	values := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		kind, known := kinds[name]
		if !known {
			problems.add(path, "%q is not a setting", name)
			continue
		}
		text, err := yamlText(kind, raw[name])
		if err != nil {
			problems.add(strings.TrimSuffix(name, "_FILE"), "%v (%s)", err, path)
			continue
		}
		values[name] = text
	}
	return values
}

// yamlText converts a YAML value to the text that it would be in the environment.
func yamlText(kind string, raw any) (string, error) {
	switch v := raw.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case []any:
		if kind == objects {
			return objectsText(v)
		}
		if kind != "list" {
			return "", errors.New("is a list")
		}
		items := make([]string, 0, len(v))
		for _, item := range v {
			text, ok := item.(string)
			if !ok {
				return "", errors.New("has an item that is not text")
			}
			items = append(items, text)
		}
		return jsonText(items), nil
	case map[string]any, map[any]any:
		return "", errors.New("has nested settings")
	}
	if kind == "string" || kind == "list" || kind == objects {
		// At this point 0123 and 1e9 have been converted to numbers: a secret would not
		// be what the file contains.
		return "", errors.New("has to be in quotes")
	}
	return fmt.Sprint(raw), nil
}

// objectsText converts a list of objects to JSON.
func objectsText(items []any) (string, error) {
	text, err := json.Marshal(items)
	if err != nil {
		return "", errors.New("has an item that is no object of names and texts")
	}
	return string(text), nil
}

// faultyLine keeps only the line number of an error of the YAML decoder: the rest may
// quote the file.
func faultyLine(err error) string {
	if line := regexp.MustCompile(`line \d+`).FindString(err.Error()); line != "" {
		return line
	}
	return "it"
}
