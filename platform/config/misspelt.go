package config

import (
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// settingNames returns the names of all settings in files and in the environment.
func settingNames() []string {
	names := []string{configVariable}
	for _, k := range keys() {
		names = append(names, k.name, k.file())
	}
	return names
}

func isSetting(name string) bool { return slices.Contains(settingNames(), name) }

// misspelt returns a warning for each name that is almost a setting, because that
// setting would keep its default. It ignores short names, which in the environment may
// belong to other programs.
func (l level) misspelt() (warnings []string) {
	names := settingNames()
	for given := range l.values {
		if len(given) < 8 || slices.Contains(names, given) {
			continue
		}
		for _, name := range names {
			if levenshtein.ComputeDistance(strings.ToUpper(given), name) <= 2 {
				warnings = append(warnings, given+": is not a setting and has no effect; is "+name+" meant? ("+l.source+")")
				break
			}
		}
	}
	slices.Sort(warnings)
	return warnings
}
