package config

import (
	"fmt"
	"strings"
)

// Problem is one error in the configuration. Name is the name of a setting, or the path
// of a file.
type Problem struct{ Name, Message string }

func (p Problem) String() string { return p.Name + ": " + p.Message }

// Problems is the error of Load: everything that is wrong, so that an operator can fix
// it all at once. It never contains a secret.
type Problems []Problem

// Error lists the problems, one per line.
func (p Problems) Error() string {
	lines := make([]string, 0, len(p)+1)
	lines = append(lines, fmt.Sprintf("the configuration has %d problem(s)", len(p)))
	for _, problem := range p {
		lines = append(lines, problem.String())
	}
	return strings.Join(lines, "\n")
}

func (p *Problems) add(name, format string, args ...any) {
	*p = append(*p, Problem{name, fmt.Sprintf(format, args...)})
}

func (p Problems) has(name string) bool {
	for _, problem := range p {
		if problem.Name == name {
			return true
		}
	}
	return false
}
