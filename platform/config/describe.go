package config

// Described is the documentation of a setting.
type Described struct {
	Name  string // the environment variable
	Flag  string // without the dashes
	Kind  string // of the value: string, int, bool, …
	Usage string // one line, with the unit and the default
}

// Describe returns every setting, in the order of the documentation.
func Describe() []Described {
	table := keys()
	described := make([]Described, 0, len(table))
	for _, k := range table {
		described = append(described, Described{k.name, k.flag(), k.kind(), k.describe()})
	}
	return described
}
