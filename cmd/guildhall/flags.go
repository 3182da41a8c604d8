package main

import (
	"encoding"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// parsedFlag is a flag with the same parsing as a field of a request. It is parsed before
// the command runs, so that an invalid value is a usage error.
type parsedFlag struct {
	into       encoding.TextUnmarshaler
	kind, text string
}

func (f *parsedFlag) String() string { return f.text }
func (f *parsedFlag) Type() string   { return f.kind }

func (f *parsedFlag) Set(text string) error {
	f.text = text
	return f.into.UnmarshalText([]byte(text))
}

// addParsed registers a parsedFlag. Help shows kind as the type of its value.
func addParsed(flags *pflag.FlagSet, into encoding.TextUnmarshaler, name, kind, usage string) {
	flags.Var(&parsedFlag{into: into, kind: kind}, name, usage)
}

// oneParsed takes exactly one argument, with the same parsing as a field of a request.
func oneParsed(into encoding.TextUnmarshaler) cobra.PositionalArgs {
	return cobra.MatchAll(cobra.ExactArgs(1), func(_ *cobra.Command, args []string) error {
		if err := into.UnmarshalText([]byte(args[0])); err != nil {
			return fmt.Errorf("%q %w", args[0], err)
		}
		return nil
	})
}
