package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// report is the result of a run.
type report struct {
	plan
	results []results
	counts  []count
	starts  []time.Duration
	binary  int64
	took    time.Duration
}

// The targets that hold for every operation.
const (
	mostOfSlowest = 2.0  // maximum ratio to the limit's p99, with 64 connections
	leastOfGrowth = 0.85 // minimum ratio of requests per second, with the most users to the fewest
	slowestAt     = 64
)

func (r report) write(ctx context.Context, out io.Writer) error {
	var b bytes.Buffer
	r.writeHead(ctx, &b)
	for _, found := range r.results {
		r.writeRates(&b, found)
		r.writeGrowth(&b, found)
	}
	r.writeSizes(&b)
	r.writeCounts(&b)
	_, err := out.Write(b.Bytes())
	return err
}

func (r report) writeHead(ctx context.Context, out io.Writer) {
	commit := output(ctx, "git", "describe", "--always", "--dirty")
	fmt.Fprintf(out, "Commit %s, %s, %d cores%s, %s. Rounds: %d, of %s for each figure; %s in all.\n", commit, time.Now().UTC().Format(time.DateOnly),
		runtime.NumCPU(), processor(), runtime.Version(), r.rounds, r.lasting, r.took.Round(time.Second))
	for _, found := range r.results {
		fmt.Fprintf(out, "%s: %s; this program took %.0f %% of the cores (median with %d connections).\n",
			found.database, found.describes, 100*found.generator(), growthConnections)
	}
	fmt.Fprintf(out, "Guildhall with its defaults and ENVIRONMENT=production: it logs a line for each request. Rate limits are off, because this load would reach them.\n")
}

func output(ctx context.Context, name string, args ...string) string {
	text, err := exec.CommandContext(ctx, name, args...).Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(text))
}

func processor() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	_, rest, found := strings.Cut(string(text), "model name\t: ")
	name, _, _ := strings.Cut(rest, "\n")
	if !found {
		return ""
	}
	return " (" + name + ")"
}

func (f results) generator() float64 {
	var all []float64
	for at, samples := range f.samples {
		if at.connections == growthConnections {
			all = append(all, medianOf(samples, func(s sample) float64 { return s.generator }))
		}
	}
	slices.Sort(all)
	return median(all)
}

// line is a line of the main table: an operation, and the operation of a server, mostly the
// limit, to compare it with.
type line struct {
	name, operation, against string
	target                   float64
	server                   string
}

func (r report) lines() (all []line) {
	for _, o := range r.operations {
		switch {
		case o.than != "":
			all = append(all, line{o.name + ", to " + o.than, o.name, o.than, o.target, guildhall})
		case o.alone != "":
		case o.hashing:
			all = append(all, line{o.name, o.name, o.name, 0, limit}, line{o.name + ", to " + argon2id, o.name, argon2id, o.target, limit})
		default:
			all = append(all, line{o.name, o.name, o.name, o.target, limit})
		}
	}
	return all
}

func (r report) writeRates(out io.Writer, found results) {
	users := r.users[len(r.users)-1]
	fmt.Fprintf(out, "\n#### %s, %s users: requests per second, and milliseconds\n", found.database, number(float64(users)))
	cells := []string{""}
	for _, n := range r.connections {
		cells = append(cells, fmt.Sprintf("%d: guildhall", n), "limit", "of it")
	}
	for _, n := range r.connections {
		if n > 1 {
			cells = append(cells, fmt.Sprintf("p50 / p95 / p99 at %d: guildhall", n), "limit")
		}
	}
	header(out, append(cells, "target", "met")...)
	for _, l := range r.lines() {
		cells, met := []string{l.name}, ""
		place := func(operation string, n int, server string) []sample {
			return found.samples[where{operation, users, n, server}]
		}
		for _, n := range r.connections {
			ours, theirs := place(l.operation, n, guildhall), place(l.against, n, l.server)
			all := ratios(ours, theirs, perSecond)
			cells = append(cells, number(medianOf(ours, perSecond)), number(medianOf(theirs, perSecond)), percent(all))
			if n == growthConnections && l.target > 0 && len(all) > 0 {
				met = verdict(median(all) >= l.target)
			}
		}
		target := ""
		if l.target > 0 {
			target = fmt.Sprintf("≥ %.0f %% at %d", 100*l.target, growthConnections)
		}
		for _, n := range r.connections {
			if n == 1 {
				continue
			}
			ours, theirs := place(l.operation, n, guildhall), place(l.against, n, l.server)
			cells = append(cells, latencies(ours), latencies(theirs))
			if all := ratios(ours, theirs, slowest); n == slowestAt && len(all) > 0 && l.against == l.operation {
				target = join(target, fmt.Sprintf("p99 ≤ %g ×", mostOfSlowest))
				met = join(met, fmt.Sprintf("%s: %.1f ×", verdict(median(all) <= mostOfSlowest), median(all)))
			}
		}
		row(out, append(cells, target, met)...)
	}
}

func verdict(met bool) string {
	if met {
		return "yes"
	}
	return "**no**"
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

func latencies(all []sample) string {
	if len(all) == 0 {
		return ""
	}
	return milliseconds(medianOf(all, func(s sample) time.Duration { return s.p50 })) + " / " +
		milliseconds(medianOf(all, func(s sample) time.Duration { return s.p95 })) + " / " +
		milliseconds(medianOf(all, func(s sample) time.Duration { return s.p99 }))
}

func (r report) writeGrowth(out io.Writer, found results) {
	if len(r.users) < 2 || !slices.Contains(r.connections, growthConnections) {
		return
	}
	fmt.Fprintf(out, "\n#### %s as it grows: requests per second with %d connections\n", found.database, growthConnections)
	cells := []string{""}
	for _, server := range []string{guildhall, limit} {
		for _, users := range r.users {
			cells = append(cells, fmt.Sprintf("%s, %s users", server, number(float64(users))))
		}
		cells = append(cells, "last to first")
	}
	header(out, append(cells, "met")...)
	for _, o := range r.operations {
		if !o.growth {
			continue
		}
		cells, met := []string{o.name}, ""
		for _, server := range []string{guildhall, limit} {
			at := func(users int64) []sample {
				return found.samples[where{o.name, users, growthConnections, server}]
			}
			for _, users := range r.users {
				cells = append(cells, number(medianOf(at(users), perSecond)))
			}
			all := ratios(at(r.users[len(r.users)-1]), at(r.users[0]), perSecond)
			cells = append(cells, percent(all))
			if server == guildhall && o.alone == "" {
				met = verdict(median(all) >= leastOfGrowth)
			}
		}
		row(out, append(cells, met)...)
	}
}

func (r report) writeSizes(out io.Writer) {
	fmt.Fprintf(out, "\n#### Size\n")
	cells := []string{""}
	for _, found := range r.results {
		cells = append(cells, found.database)
	}
	header(out, append(cells, "target")...)
	each := func(name, target string, figure func(results) string) {
		cells := []string{name}
		for _, found := range r.results {
			cells = append(cells, figure(found))
		}
		row(out, append(cells, target)...)
	}
	most := r.users[len(r.users)-1]
	if !r.short {
		mebibytes := func(figure func(memory) float64) func(results) string {
			return func(found results) string { return fmt.Sprintf("%.1f MiB", figure(found.memory)) }
		}
		each("resident memory, idle after the start", "≤ 40 MiB", mebibytes(func(m memory) float64 { return m.idle }))
		each(fmt.Sprintf("peak under the mix, %d connections", growthConnections), "≤ 60 MiB", mebibytes(func(m memory) float64 { return m.mix }))
		each("10 s after the mix", "", mebibytes(func(m memory) float64 { return m.after }))
		each("peak of the whole run, log-ins included", "", mebibytes(func(m memory) float64 { return m.ever }))
	}
	each(fmt.Sprintf("bytes on disk per user, of %s", number(float64(most))), "", func(found results) string { return number(float64(found.bytes[most]) / float64(most)) })
	each("mails delivered per second", fmt.Sprintf("> %d", leastMails), func(found results) string { return number(found.mails) })
	binary := "static"
	if r.short {
		binary = "dynamic"
	}
	fmt.Fprintf(out, "\nFrom the start of the process to `/readyz` on a migrated SQLite database: %s ms (median of %d, %s to %s; target ≤ 150 ms). Binary, %s: %s bytes.\n",
		milliseconds(median(r.starts)), len(r.starts), milliseconds(r.starts[0]), milliseconds(r.starts[len(r.starts)-1]), binary, number(float64(r.binary)))
}

func (r report) writeCounts(out io.Writer) {
	fmt.Fprintf(out, "\n#### A request takes\n")
	header(out, "", "SQLite: statements", "allocations", "bytes", "PostgreSQL: statements", "allocations", "bytes")
	byName := map[string]map[string]count{}
	var names []string
	for _, c := range r.counts {
		if byName[c.operation] == nil {
			byName[c.operation] = map[string]count{}
			names = append(names, c.operation)
		}
		byName[c.operation][c.database] = c
	}
	for _, name := range names {
		cells := []string{name}
		for _, database := range []string{"sqlite", "postgres"} {
			c := byName[name][database]
			cells = append(cells, fmt.Sprint(c.statements), fmt.Sprint(c.allocations), number(c.bytes))
		}
		row(out, cells...)
	}
}
