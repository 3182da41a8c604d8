package main

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"

	"guildhall/platform/clone"
)

// lineInterval is the time between two lines of progress without a terminal.
const lineInterval = 5 * time.Second

// showProgress returns a function that shows the progress of a copy, and one that ends the
// display. On a terminal it draws a bar with rows, rate and time left; elsewhere it prints a
// line every lineInterval.
func showProgress(out io.Writer) (show func(clone.Progress), done func()) {
	if isTerminal(out) {
		return progressOnTerminal(out)
	}
	return progressInLines(out), func() {}
}

func progressOnTerminal(out io.Writer) (show func(clone.Progress), done func()) {
	bar := progressbar.NewOptions64(-1, progressbar.OptionSetWriter(out), progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionSetItsString("rows"), progressbar.OptionShowIts(), progressbar.OptionShowCount(),
		progressbar.OptionSetPredictTime(true), progressbar.OptionFullWidth(), progressbar.OptionUseANSICodes(true))
	doing := ""
	return func(p clone.Progress) {
		if p.Total > 0 && bar.GetMax64() != p.Total {
			bar.ChangeMax64(p.Total)
		}
		if p.Doing != doing {
			doing = p.Doing
			bar.Describe(doing)
		}
		_ = bar.Set64(p.Done)
	}, func() { _ = bar.Exit(); fmt.Fprintln(out) }
}

func progressInLines(out io.Writer) func(clone.Progress) {
	var began, last time.Time
	doing, done := "", int64(0)
	return func(p clone.Progress) {
		now := time.Now()
		if began.IsZero() || p.Done < done {
			began = now // of the first part, or of the next
		}
		done = p.Done
		if p.Doing == doing && now.Sub(last) < lineInterval {
			return
		}
		doing, last = p.Doing, now
		line := fmt.Sprintf("%s: %d of %d rows", p.Doing, p.Done, p.Total)
		if elapsed := now.Sub(began); p.Done > 0 && elapsed > time.Second {
			rate := float64(p.Done) / elapsed.Seconds()
			left := time.Duration(float64(p.Total-p.Done) / rate * float64(time.Second))
			line += fmt.Sprintf(", %.0f a second, about %s left", rate, left.Round(time.Second))
		}
		fmt.Fprintln(out, line)
	}
}
