package field

import (
	"strings"
	"unicode"

	"golang.org/x/text/secure/precis"
	"golang.org/x/text/unicode/norm"
)

const (
	zeroWidthNonJoiner = '\u200c'
	zeroWidthJoiner    = '\u200d'
	brailleBlank       = '\u2800' // a symbol without ink
)

// ordinary is every character of the FreeformClass (RFC 8264 §4.3): no control or
// format character, no private use, nothing unassigned or ignorable.
var ordinary = precis.NewFreeform().Allowed()

// readable is what text that people see must be.
type readable int

const (
	anything readable = iota // a password, say, which nobody sees
	line                     // a name
	lines                    // a biography: line breaks as well
)

// check returns what is wrong with a text in NFC. It accepts two kinds of invisible
// characters that the FreeformClass refuses: a joiner inside a word (Persian, Hindi)
// or an emoji, and the selector of a variant after the character that it is about.
func (r readable) check(s string) error {
	text := []rune(s)
	for i, c := range text {
		switch {
		case r == lines && (c == '\n' || c == '\r'):
		case c == '\n' || c == '\r':
			return Problem("must be on one line.")
		case c == zeroWidthJoiner || c == zeroWidthNonJoiner:
			before, after := text[:i], text[i+1:]
			if !endsInVirama(before) && (!joins(before) || !joins(after[:min(1, len(after))])) {
				return Problem("must not have a joiner (U+200C, U+200D) except inside a word or an emoji.")
			}
		case unicode.Is(unicode.Variation_Selector, c):
			if i == 0 || !isVisible(text[i-1]) {
				return Problem("must not have a variation selector except after a visible character.")
			}
		case !ordinary.Contains(c):
			return Problem("must not have control, invisible, private-use or unassigned characters.")
		}
	}
	return nil
}

// joins says whether the last character of a text can have a joiner beside it.
func joins(text []rune) bool {
	if n := len(text); n > 0 && unicode.Is(unicode.Variation_Selector, text[n-1]) { // of an emoji
		text = text[:n-1]
	}
	return len(text) > 0 && isVisible(text[len(text)-1]) && !unicode.IsPunct(text[len(text)-1])
}

// endsInVirama says whether a joiner after the text changes what is seen, also at the
// end of a word (RFC 5892 appendix A.1, A.2).
func endsInVirama(text []rune) bool {
	const virama = 9 // a canonical combining class
	return len(text) > 0 && norm.NFC.PropertiesString(string(text[len(text)-1])).CCC() == virama
}

// isVisible is false for spaces as well.
func isVisible(c rune) bool {
	return unicode.In(c, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S) && c != brailleBlank && ordinary.Contains(c)
}

// hasBase says whether there is a visible character other than marks, which only
// change the one before them.
func hasBase(s string) bool {
	return strings.ContainsFunc(s, func(c rune) bool { return isVisible(c) && !unicode.IsMark(c) })
}
