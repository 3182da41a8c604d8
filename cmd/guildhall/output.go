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

// checkedOutput keeps the first error of a write, because many commands do not check it.
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

// printJSON writes indented JSON.
func printJSON(out io.Writer, v any) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// printList writes a list while it reads it, with only one item in memory: a line for each
// item below the headings, or a JSON array. It stops after limit items, unless limit is 0.
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

// forTerminal replaces characters that would move the cursor or hide text, so that no user's
// name controls the operator's terminal. An earlier version accepted such names. Joiners
// stay, because emoji and some scripts need them.
func forTerminal(s string) string {
	return strings.Map(func(c rune) rune {
		if c == '\n' || c == '\t' || c == '\u200c' || c == '\u200d' || unicode.IsGraphic(c) {
			return c
		}
		return unicode.ReplacementChar
	}, s)
}

// onLine replaces line breaks and tabs in users' text, so that it adds no lines or columns
// to the output.
func onLine(s string) string {
	return strings.NewReplacer("\r\n", " ", "\n", " ", "\t", " ").Replace(s)
}

// filter passes on the wanted items, and all errors.
func filter[T any](items iter.Seq2[T, error], wanted func(T) bool) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for item, err := range items {
			if (err != nil || wanted(item)) && !yield(item, err) {
				return
			}
		}
	}
}

// collect reads a short list into memory.
func collect[T any](items iter.Seq2[T, error]) ([]T, error) {
	list := []T{}
	for item, err := range items {
		if err != nil {
			return nil, err
		}
		list = append(list, item)
	}
	return list, nil
}

// since returns the elapsed seconds for JSON, to the millisecond.
func since(began time.Time) float64 { return time.Since(began).Round(time.Millisecond).Seconds() }

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// standing is one word for is_active, is_suspended and is_archived, the three members that
// the API has.
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

// explained formats a standing with its times and its reason.
func explained(what, reason string, at time.Time, until *time.Time) string {
	if until != nil {
		return fmt.Sprintf("%s since %s, until %s: %s", what, moment(at), moment(*until), onLine(reason))
	}
	return fmt.Sprintf("%s since %s: %s", what, moment(at), onLine(reason))
}
