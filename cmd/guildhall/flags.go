package main

import (
	"encoding"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// parsedFlag is a flag that is read as requests are, before the command begins:
// what can't be read is wrong usage.
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

// addParsed registers one; kind is what help calls its value.
func addParsed(flags *pflag.FlagSet, into encoding.TextUnmarshaler, name, kind, usage string) {
	flags.Var(&parsedFlag{into: into, kind: kind}, name, usage)
}

// oneParsed takes one argument, which is read as requests are.
func oneParsed(into encoding.TextUnmarshaler) cobra.PositionalArgs {
	return cobra.MatchAll(cobra.ExactArgs(1), func(_ *cobra.Command, args []string) error {
		if err := into.UnmarshalText([]byte(args[0])); err != nil {
			return fmt.Errorf("%q %w", args[0], err)
		}
		return nil
	})
}
