package main

import (
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"time"
)

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
	n := 0
	for item, err := range items {
		switch {
		case err != nil:
			return err
		case limit > 0 && n == limit:
			return endList(out, asJSON, n)
		case asJSON:
			encoded, err := json.Marshal(item)
			if err != nil {
				return err
			}
			before := ",\n"
			if n == 0 {
				before = "[\n"
			}
			fmt.Fprintf(out, "%s  %s", before, encoded)
		default:
			if n == 0 {
				fmt.Fprintln(out, headings)
			}
			fmt.Fprintln(out, line(item))
		}
		n++
	}
	return endList(out, asJSON, n)
}

func endList(out io.Writer, asJSON bool, n int) error {
	var err error
	switch {
	case asJSON && n == 0:
		_, err = fmt.Fprintln(out, "[]")
	case asJSON:
		_, err = fmt.Fprintln(out, "\n]")
	}
	return err
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
		return fmt.Sprintf("%s since %s, until %s: %s", what, moment(at), moment(*until), reason)
	}
	return fmt.Sprintf("%s since %s: %s", what, moment(at), reason)
}
