package config

import "github.com/spf13/pflag"

const (
	configFlag     = "config"
	configVariable = "GUILDHALL_CONFIG"
	defaultYAML    = "configs/guildhall.yaml"
)

// Flags registers --config and, for every setting, a flag (--database-url for
// DATABASE_URL) and a flag for a file with its value (--database-url-file). The flags
// are not validated here: Load does that, so that it reports them together with all
// other problems.
func Flags(flags *pflag.FlagSet) {
	flags.String(configFlag, "", "YAML file of settings, which must exist (default "+defaultYAML+", if it does)")
	for _, k := range keys() {
		flag := flags.VarPF(&flagValue{kind: k.kind()}, k.flag(), "", k.describe())
		if k.kind() == "bool" {
			flag.NoOptDefVal = "true"
		}
		file := k.flag() + "-file"
		flags.Var(&flagValue{kind: "string"}, file, "file with the value of --"+k.flag())
		// Secrets belong in files, not in a process list. For other settings this flag
		// would only lengthen the help.
		flags.Lookup(file).Hidden = !k.required
	}
}

// flagValue stores the text. It knows the type only for --help.
type flagValue struct{ text, kind string }

func (f *flagValue) String() string { return f.text }
func (f *flagValue) Type() string   { return f.kind }

func (f *flagValue) Set(text string) error {
	f.text = text
	return nil
}
