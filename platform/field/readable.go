package field

import (
	"strings"
	"unicode"

	"golang.org/x/text/secure/precis"
	"golang.org/x/text/unicode/norm"

	"guildhall/platform/fault"
)

const (
	zeroWidthNonJoiner = '\u200c'
	zeroWidthJoiner    = '\u200d'
	brailleBlank       = '\u2800' // a symbol that is blank
)

// ordinary is the set of characters in the FreeformClass (RFC 8264 §4.3), which excludes
// control, format, private-use, unassigned and ignorable characters.
var ordinary = precis.NewFreeform().Allowed()

// readable says which characters a text may contain.
type readable int

const (
	anything readable = iota // text that people don't read, such as a password
	line                     // a name
	lines                    // a biography: line breaks as well
)

// check returns what is wrong with a text in NFC. It accepts two kinds of invisible
// characters that the FreeformClass refuses: a joiner inside a word (Persian, Hindi) or
// an emoji, and a variation selector after the character that it modifies.
func (r readable) check(s string) error {
	text := []rune(s)
	for i, c := range text {
		switch {
		case r == lines && (c == '\n' || c == '\r'):
		case c == '\n' || c == '\r':
			return fault.MoreThanOneLine
		case c == zeroWidthJoiner || c == zeroWidthNonJoiner:
			before, after := text[:i], text[i+1:]
			if !endsInVirama(before) && (!joins(before) || !joins(after[:min(1, len(after))])) {
				return fault.ForbiddenJoiner
			}
		case unicode.Is(unicode.Variation_Selector, c):
			if i == 0 || !isVisible(text[i-1]) {
				return fault.ForbiddenSelector
			}
		case !ordinary.Contains(c):
			return fault.ForbiddenCharacter
		}
	}
	return nil
}

// joins reports whether the last character of a text may be next to a joiner.
func joins(text []rune) bool {
	if n := len(text); n > 0 && unicode.Is(unicode.Variation_Selector, text[n-1]) { // of an emoji
		text = text[:n-1]
	}
	return len(text) > 0 && isVisible(text[len(text)-1]) && !unicode.IsPunct(text[len(text)-1])
}

// endsInVirama reports whether a joiner after the text changes how it is displayed, even
// at the end of a word (RFC 5892 appendix A.1, A.2).
func endsInVirama(text []rune) bool {
	const virama = 9 // a canonical combining class
	return len(text) > 0 && norm.NFC.PropertiesString(string(text[len(text)-1])).CCC() == virama
}

// isVisible reports whether a character is visible. A space is not.
func isVisible(c rune) bool {
	return unicode.In(c, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S) && c != brailleBlank && ordinary.Contains(c)
}

// hasBase reports whether a text has a visible character that is not a mark. A mark only
// modifies the character before it.
func hasBase(s string) bool {
	return strings.ContainsFunc(s, func(c rune) bool { return isVisible(c) && !unicode.IsMark(c) })
}
