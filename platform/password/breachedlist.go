package password

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
)

const (
	pageSize    = 4096 // bytes of one read
	hashDigits  = 40   // of SHA-1
	longestLine = 128  // bytes; a page always contains a whole line
	samples     = 64   // pages that sample reads, except in a small list

	// interpolations is how many guesses assume that hashes are spread evenly, as those of
	// SHA-1 are: three are enough in a list of a billion lines. The following guesses halve
	// what is left, which bounds the reads in any other list.
	interpolations = 8
)

var (
	errNotAList = errors.New("is not a list of lines SHA1:count with upper-case digits, as haveibeenpwned-downloader writes them")
	errEmpty    = errors.New("is empty")
	errUnsorted = errors.New("is not sorted by its hashes")
)

// breachedList is a text of lines SHA1:count, sorted by the hash in upper case. Lines end
// with LF or CRLF, the last one possibly with neither, and may be there more than once. It
// is searched where it is: nothing but the page that is being read is in memory.
type breachedList struct {
	from io.ReaderAt
	size int64
}

// edge is a border of the part of a list in which a line may be: the place where a line
// begins, and the first digits of the hash that is next to it on the other side.
type edge struct {
	at      int64
	leading uint64
}

// has reports whether the list has the hash. It returns errNotAList if it reads something else
// than lines of a list.
func (l breachedList) has(hash string) (bool, error) {
	wanted, buffer := []byte(hash), make([]byte, pageSize)
	low, high := edge{0, 0}, edge{l.size, math.MaxUint64}
	for guesses := 0; high.at-low.at > pageSize; guesses++ {
		at := (low.at + high.at) / 2
		if guesses < interpolations && high.leading > low.leading {
			share := float64(leading(wanted)-low.leading) / float64(high.leading-low.leading)
			at = low.at + int64(float64(high.at-low.at)*share)
		}
		at = max(low.at, min(at-pageSize/2, high.at-pageSize))
		page, err := l.read(buffer, at, at == low.at, at+pageSize == high.at)
		if err != nil {
			return false, err
		}
		first, last, err := page.ends()
		switch {
		case err != nil:
			return false, err
		case bytes.Compare(wanted, first) < 0:
			high = edge{page.at, leading(first)}
		case bytes.Compare(wanted, last) > 0:
			low = edge{page.at + int64(len(page.text)), leading(last)}
		default:
			return page.has(wanted)
		}
	}
	if low.at == high.at {
		return false, nil
	}
	page, err := l.read(buffer[:high.at-low.at], low.at, true, true)
	if err != nil {
		return false, err
	}
	return page.has(wanted)
}

// leading returns the first 16 digits of a hash as a number.
func leading(hash []byte) (n uint64) {
	for _, digit := range hash[:16] {
		value := digit - '0'
		if digit >= 'A' {
			value = digit - 'A' + 10
		}
		n = n<<4 | uint64(value)
	}
	return n
}

// sample returns errNotAList or errUnsorted if pages from all over the list show that it is
// not one. It reads a small list as a whole.
func (l breachedList) sample() error {
	if l.size == 0 {
		return errEmpty
	}
	buffer := make([]byte, min(pageSize, l.size))
	var before [hashDigits]byte
	for at := int64(0); ; at += max(pageSize-longestLine, l.size/samples) {
		at = max(0, min(at, l.size-pageSize)) // the last line is among them
		page, err := l.read(buffer, at, at == 0, at+pageSize >= l.size)
		if err != nil {
			return err
		}
		last, err := page.sorted()
		if err != nil {
			return err
		}
		if bytes.Compare(last, before[:]) < 0 {
			return fmt.Errorf("%w, near byte %d", errUnsorted, at)
		}
		if copy(before[:], last); at+pageSize >= l.size {
			return nil
		}
	}
}

// read fills the buffer with a part of the list, and returns its whole lines. The part begins
// with a line if begins is true, and ends with one if ends is.
func (l breachedList) read(buffer []byte, from int64, begins, ends bool) (lines, error) {
	page := lines{at: from, text: buffer}
	if n, err := l.from.ReadAt(page.text, from); n < len(page.text) {
		return page, err // io.EOF: the list has become shorter
	}
	if !begins {
		start := bytes.IndexByte(page.text, '\n') + 1
		page.at, page.text = page.at+int64(start), page.text[start:]
	}
	if !ends {
		page.text = page.text[:bytes.LastIndexByte(page.text, '\n')+1]
	}
	return page, nil
}

// lines are whole lines of a list.
type lines struct {
	at   int64 // where they begin in the list
	text []byte
}

// ends returns the hashes of the first line and of the last.
func (p lines) ends() (first, last []byte, err error) {
	text := bytes.TrimSuffix(p.text, []byte("\n"))
	if first, err = p.hashOf(text, bytes.IndexByte(text, '\n')); err != nil {
		return nil, nil, err
	}
	last, err = p.hashOf(text[bytes.LastIndexByte(text, '\n')+1:], -1)
	return first, last, err
}

// has reports whether one of the lines has the hash.
func (p lines) has(hash []byte) (bool, error) {
	found := false
	_, err := p.each(func(of []byte) bool {
		found = bytes.Equal(of, hash)
		return bytes.Compare(of, hash) < 0
	})
	return found, err
}

// sorted returns the hash of the last line, or an error if the lines are not in order.
func (p lines) sorted() (last []byte, err error) {
	return p.each(func([]byte) bool { return true })
}

// each calls next with the hash of each line while it returns true, and returns the last one.
// No lines at all are an error: one that is too long fills a page.
func (p lines) each(next func(hash []byte) bool) (last []byte, err error) {
	for rest := p.text; ; {
		end := bytes.IndexByte(rest, '\n')
		hash, err := p.hashOf(rest, end)
		if err != nil {
			return nil, err
		}
		if bytes.Compare(hash, last) < 0 {
			return nil, fmt.Errorf("%w, near byte %d", errUnsorted, p.at)
		}
		if last = hash; !next(hash) || end < 0 || end+1 == len(rest) {
			return last, nil
		}
		rest = rest[end+1:]
	}
}

// byteOrderMark may be before any line: the downloader's version of July 2026 makes each range
// of hashes with a StreamWriter of its own, which begins with one.
var byteOrderMark = []byte("\xef\xbb\xbf")

// hashOf returns the hash of the line that ends at a place in the text, or with the text if
// that is negative.
func (p lines) hashOf(text []byte, end int) ([]byte, error) {
	if end >= 0 {
		text = text[:end]
	}
	line := bytes.TrimSuffix(bytes.TrimPrefix(text, byteOrderMark), []byte("\r"))
	if len(line) <= hashDigits+1 || len(line) > longestLine-len("\ufeff\r\n") || line[hashDigits] != ':' ||
		!only(line[:hashDigits], true) || !only(line[hashDigits+1:], false) {
		return nil, fmt.Errorf("%w, near byte %d", errNotAList, p.at)
	}
	return line[:hashDigits], nil
}

// only reports whether a text has only decimal digits, or those and the letters to F.
func only(text []byte, letters bool) bool {
	for _, c := range text {
		if (c < '0' || c > '9') && (!letters || c < 'A' || c > 'F') {
			return false
		}
	}
	return true
}
