// Package search finds people and organizations by the beginnings of words.
//
// The words are terms: folded in Go, so that both databases find the same, and stored in
// tables with an index. A search reads a range of that index, so its cost does not depend
// on how many rows there are, as that of LIKE '%x%' would.
package search

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

const (
	// longestTerm limits a term in characters. A search for more finds what begins with so
	// many.
	longestTerm = 64
	// mostTerms limits the words of a name that are stored.
	mostTerms = 20
)

// wholeName begins the term by which a person is sorted. No word of a search begins with it.
const wholeName = " "

// TermsOfPerson returns the terms by which a person is found: the words of their name and
// the parts of their address. One is the whole name, by which lists of people are sorted.
func TermsOfPerson(name, email string) []string {
	terms := append(TermsOfName(name), wholeName+cut(fold(name)))
	email = fold(email)
	_, domain, _ := strings.Cut(email, "@")
	return distinct(append(terms, append(parts(strings.TrimSuffix(email, domain)), cut(email), cut(domain))...))
}

// TermsOfName returns the terms by which a name is found: its words, and the parts of
// words with punctuation.
func TermsOfName(name string) []string {
	var terms []string
	for _, word := range words(name) {
		terms = append(terms, append(parts(word), word)...)
	}
	terms = distinct(terms)
	return terms[:min(len(terms), mostTerms)]
}

// words returns the folded words of a text.
func words(text string) []string {
	var list []string
	for word := range strings.FieldsSeq(fold(text)) {
		if word = strings.TrimFunc(word, isPunctuation); word != "" {
			list = append(list, cut(word))
		}
	}
	return list
}

// parts returns the parts of a folded word that punctuation separates.
func parts(word string) []string {
	list := strings.FieldsFunc(word, isPunctuation)
	for i, part := range list {
		list[i] = cut(part)
	}
	return list
}

func isPunctuation(c rune) bool {
	return !unicode.IsLetter(c) && !unicode.IsNumber(c) && !unicode.IsMark(c)
}

// letters have no accent that could be removed.
var letters = strings.NewReplacer("ß", "ss", "æ", "ae", "œ", "oe", "ø", "o", "đ", "d", "ð", "d", "ł", "l", "þ", "th", "ħ", "h", "ı", "i", "ς", "σ", "’", "'")

// fold returns a text without case and accents. It removes the accents of Latin, Greek and
// Cyrillic letters only: in other scripts, marks are vowels.
func fold(text string) string {
	return letters.Replace(strings.Map(func(c rune) rune {
		if c >= 0x300 && c <= 0x36f {
			return -1
		}
		return unicode.ToLower(c)
	}, norm.NFKD.String(text)))
}

func cut(term string) string {
	if characters := []rune(term); len(characters) > longestTerm {
		return string(characters[:longestTerm])
	}
	return term
}

// distinct returns the terms without repetitions and empty ones, in their order.
func distinct(terms []string) []string {
	var list []string
	for _, term := range terms {
		if term != "" && !slices.Contains(list, term) {
			list = append(list, term)
		}
	}
	return list
}
