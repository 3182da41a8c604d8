package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// ratios returns the sorted ratios of two series of samples, round by round.
func ratios(of, to []sample, figure func(sample) float64) (all []float64) {
	for i := range min(len(of), len(to)) {
		if below := figure(to[i]); below > 0 {
			all = append(all, figure(of[i])/below)
		}
	}
	slices.Sort(all)
	return all
}

func perSecond(s sample) float64 { return s.rate }

func slowest(s sample) float64 { return s.p99.Seconds() }

// median returns the median of sorted values.
func median[T float64 | time.Duration](sorted []T) T {
	if len(sorted) == 0 {
		return 0
	}
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

func medianOf[T float64 | time.Duration](samples []sample, figure func(sample) T) T {
	var all []T
	for _, s := range samples {
		all = append(all, figure(s))
	}
	slices.Sort(all)
	return median(all)
}

// percent formats the median and, for several values, the spread.
func percent(all []float64) string {
	switch len(all) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("%.0f %%", 100*all[0])
	default:
		return fmt.Sprintf("%.0f %% (%.0f–%.0f)", 100*median(all), 100*all[0], 100*all[len(all)-1])
	}
}

// number formats three significant digits, with separators for thousands.
func number(n float64) string {
	switch {
	case n == 0:
		return ""
	case n < 10:
		return fmt.Sprintf("%.2f", n)
	case n < 100:
		return fmt.Sprintf("%.1f", n)
	}
	text := fmt.Sprintf("%.0f", n)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

func milliseconds(d time.Duration) string { return number(float64(d.Microseconds()) / 1000) }

// row writes a line of a table.
func row(out io.Writer, cells ...string) {
	fmt.Fprintln(out, "| "+strings.Join(cells, " | ")+" |")
}

// header writes the first row. It aligns all columns but the first to the right.
func header(out io.Writer, cells ...string) {
	row(out, cells...)
	rule := make([]string, len(cells))
	for i := range rule {
		rule[i] = "---:"
	}
	rule[0] = "---"
	fmt.Fprintln(out, "|"+strings.Join(rule, "|")+"|")
}
