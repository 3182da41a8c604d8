package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"
	"unicode"
)

// checkedOutput remembers that something could not be written, for the commands that
// do not look.
type checkedOutput struct {
	io.Writer
	err error
}

func (o *checkedOutput) Write(p []byte) (int, error) {
	n, err := o.Writer.Write(p)
	if err != nil && o.err == nil {
		o.err = err
	}
	return n, err
}

// printJSON is for what scripts read.
func printJSON(out io.Writer, v any) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// printList writes a list as it is read, and holds no more than an item of it: a
// line each below the headings, or a JSON array. It ends after limit items, if
// that is not 0.
func printList[T any](out io.Writer, asJSON bool, limit int, items iter.Seq2[T, error], headings string, line func(T) string) error {
	w := bufio.NewWriter(out)
	n := 0
	for item, err := range items {
		if err != nil {
			return errors.Join(w.Flush(), err)
		}
		if limit > 0 && n == limit {
			break
		}
		n++
		if err := printItem(w, asJSON, n == 1, item, headings, line); err != nil {
			return err
		}
	}
	switch {
	case asJSON && n == 0:
		fmt.Fprintln(w, "[]")
	case asJSON:
		fmt.Fprintln(w, "\n]")
	}
	return w.Flush()
}

func printItem[T any](w io.Writer, asJSON, first bool, item T, headings string, line func(T) string) error {
	if !asJSON {
		if first {
			fmt.Fprintln(w, headings)
		}
		_, err := fmt.Fprintln(w, onLine(forTerminal(line(item))))
		return err
	}
	encoded, err := json.Marshal(item)
	if err != nil {
		return err
	}
	before := ",\n"
	if first {
		before = "[\n"
	}
	_, err = fmt.Fprintf(w, "%s  %s", before, encoded)
	return err
}

// forTerminal replaces what would move the cursor or hide text: an earlier version
// accepted names with such characters, and whoever chose one does not act on the
// operator's terminal. Joiners stay for emoji and words.
func forTerminal(s string) string {
	return strings.Map(func(c rune) rune {
		if c == '\n' || c == '\t' || c == '\u200c' || c == '\u200d' || unicode.IsGraphic(c) {
			return c
		}
		return unicode.ReplacementChar
	}, s)
}

// onLine keeps what people wrote from making lines of its own among ours.
func onLine(s string) string {
	return strings.NewReplacer("\r\n", " ", "\n", " ", "\t", " ").Replace(s)
}

// only passes those on that are wanted.
func only[T any](items iter.Seq2[T, error], wanted func(T) bool) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for item, err := range items {
			if (err != nil || wanted(item)) && !yield(item, err) {
				return
			}
		}
	}
}

// all collects a list that is short.
func all[T any](items iter.Seq2[T, error]) ([]T, error) {
	list := []T{}
	for item, err := range items {
		if err != nil {
			return nil, err
		}
		list = append(list, item)
	}
	return list, nil
}

// since is for what scripts read: seconds, to the millisecond.
func since(began time.Time) float64 { return time.Since(began).Round(time.Millisecond).Seconds() }

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// standing is a word for what the API shows in three members.
type standing string

const (
	active    standing = "active"
	inactive  standing = "inactive"
	suspended standing = "suspended"
	archived  standing = "archived"
)

func standings() []string {
	return []string{string(active), string(inactive), string(suspended), string(archived)}
}

func standingOf(isActive, isSuspended, isArchived bool) standing {
	switch {
	case isArchived:
		return archived
	case isSuspended:
		return suspended
	case !isActive:
		return inactive
	default:
		return active
	}
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *standing) UnmarshalText(text []byte) error {
	for _, known := range standings() {
		if known == string(text) {
			*s = standing(text)
			return nil
		}
	}
	return fmt.Errorf("must be one of %v", standings())
}

// explained is how a reason is told.
func explained(what, reason string, at time.Time, until *time.Time) string {
	if until != nil {
		return fmt.Sprintf("%s since %s, until %s: %s", what, moment(at), moment(*until), onLine(reason))
	}
	return fmt.Sprintf("%s since %s: %s", what, moment(at), onLine(reason))
}
