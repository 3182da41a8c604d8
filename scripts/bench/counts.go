package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// goldenCounts holds the statements and allocations of each request: the only
// figures that don't depend on the machine.
const goldenCounts = "counts.golden"

// count is the cost of one request on one database.
type count struct {
	database, operation            string
	statements, allocations, bytes float64
}

var countLine = regexp.MustCompile(`(?m)^BenchmarkRequests/(\w+)/(\S+?)(?:-\d+)?\s+\d+\s+(.*)$`)

// countRequests runs BenchmarkRequests of cmd/guildhall.
func countRequests(ctx context.Context) (all []count, err error) {
	cmd := command(ctx, "go", "test", "./cmd/guildhall", "-run", "^$", "-bench", "^BenchmarkRequests$", "-benchmem", "-benchtime", "200x")
	cmd.Dir = root
	output, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("go test: %w: %s", err, output)
	}
	for _, match := range countLine.FindAllStringSubmatch(string(output), -1) {
		c := count{database: match[1], operation: strings.ReplaceAll(match[2], "_", " ")}
		fields := strings.Fields(match[3])
		for i := 0; i+1 < len(fields); i += 2 {
			value, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return nil, fmt.Errorf("read %q: %w", match[0], err)
			}
			switch fields[i+1] {
			case "statements/op":
				c.statements = value
			case "allocs/op":
				c.allocations = value
			case "B/op":
				c.bytes = value
			}
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("BenchmarkRequests counted nothing: %s", output)
	}
	return all, nil
}

const goldenHead = `# What a request takes at most: go -C scripts/bench run . -update writes it.
# database, operation: statements, allocations
`

func writeCounts(all []count) error {
	var b strings.Builder
	b.WriteString(goldenHead)
	for _, c := range all {
		fmt.Fprintf(&b, "%s, %s: %g, %.0f\n", c.database, c.operation, c.statements, c.allocations)
	}
	return os.WriteFile(goldenCounts, []byte(b.String()), 0o644) //nolint:gosec // a file of the repository
}

func readCounts() (map[string]count, error) {
	text, err := os.ReadFile(goldenCounts)
	if err != nil {
		return nil, err
	}
	all := map[string]count{}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		name, figures, _ := strings.Cut(line, ": ")
		var c count
		if _, err := fmt.Sscanf(figures, "%g, %g", &c.statements, &c.allocations); err != nil {
			return nil, fmt.Errorf("%s: %q: %w", goldenCounts, line, err)
		}
		all[name] = c
	}
	return all, nil
}

// checkCounts returns an error if a request takes more statements than in the golden file,
// or more allocations than chance explains (an emptied pool, a map that grew).
func checkCounts(all []count) error {
	golden, err := readCounts()
	if err != nil {
		return err
	}
	var problems []error
	for _, c := range all {
		name := c.database + ", " + c.operation
		most, known := golden[name]
		switch {
		case !known:
			problems = append(problems, fmt.Errorf("%s is not in %s", name, goldenCounts))
		case c.statements > most.statements:
			problems = append(problems, fmt.Errorf("%s takes %g statements, at most %g", name, c.statements, most.statements))
		case c.allocations > most.allocations*1.05+3:
			problems = append(problems, fmt.Errorf("%s takes %.0f allocations, %.0f before", name, c.allocations, most.allocations))
		}
		delete(golden, name)
	}
	for name := range golden {
		problems = append(problems, fmt.Errorf("%s was not counted", name))
	}
	return errors.Join(problems...)
}
