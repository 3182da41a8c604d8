package password

import (
	"bytes"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// counted counts the reads of a list.
type counted struct {
	io.ReaderAt
	reads atomic.Int64
}

func (c *counted) ReadAt(p []byte, at int64) (int, error) {
	c.reads.Add(1)
	return c.ReaderAt.ReadAt(p, at)
}

// listOf returns a list of hashes, which are sorted here, and the reader that counts.
func listOf(hashes []string, line func(i int, hash string) string) (breachedList, *counted) {
	slices.Sort(hashes)
	var b bytes.Buffer
	for i, hash := range hashes {
		b.WriteString(line(i, hash))
	}
	c := &counted{ReaderAt: bytes.NewReader(b.Bytes())}
	return breachedList{c, int64(b.Len())}, c
}

func plainLine(_ int, hash string) string { return hash + ":1\n" }

func hashesOf(n int, of func(i int) string) []string {
	hashes := make([]string, n)
	for i := range hashes {
		hashes[i] = of(i)
	}
	return hashes
}

func sha(i int) string { return fmt.Sprintf("%X", sha1.Sum(fmt.Append(nil, i))) }

// neighbours returns hashes beside one that are possibly not in a list.
func neighbours(hash string) []string {
	beside := func(last string) string { return hash[:hashDigits-1] + last }
	return []string{beside("0"), beside("F"), hash[:20] + strings.Repeat("0", 20), hash[:20] + strings.Repeat("F", 20)}
}

// TestBreachedListIsExact compares searches with a set: of every hash of a list, of hashes
// beside them, and of others, in lists with all kinds of distributions and lines.
func TestBreachedListIsExact(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	skewed := func(i int) string { // most begin with zeros
		return fmt.Sprintf("%016X%024X", uint64(math.MaxUint64*math.Pow(r.Float64(), 40)), i)
	}
	const first, last = "0000000000000000000000000000000000000000", "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"
	crlf := func(i int, hash string) string { return fmt.Sprintf("%s:%d\r\n", hash, i) }
	for name, c := range map[string]struct {
		hashes []string
		line   func(int, string) string
		end    string // that the last line lacks
	}{
		"even":                  {hashesOf(300_000, sha), plainLine, ""},
		"CRLF":                  {hashesOf(10_000, sha), crlf, ""},
		"no last newline":       {hashesOf(10_000, sha), crlf, "\r\n"},
		"skewed":                {hashesOf(60_000, skewed), plainLine, ""},
		"same beginning":        {hashesOf(20_000, func(i int) string { return fmt.Sprintf("%032d%08X", 0, i*7) }), plainLine, ""},
		"two ends":              {hashesOf(20_000, func(i int) string { return strings.Repeat([]string{"0", "F"}[i%2], 30) + fmt.Sprintf("%010X", i) }), plainLine, ""},
		"lengths of lines":      {hashesOf(10_000, sha), func(i int, hash string) string { return hash + ":" + strings.Repeat("9", 1+i%80) + "\r\n" }, ""},
		"one long line in many": {hashesOf(10_000, sha), func(i int, hash string) string { return hash + ":" + strings.Repeat("7", 1+79*(i%1000/999)) + "\n" }, ""},
		"each twice":            {hashesOf(20_000, func(i int) string { return sha(i / 2) }), plainLine, ""},
		"many of one":           {append(hashesOf(1000, sha), slices.Repeat([]string{sha(5)}, 3_000)...), plainLine, ""},
		"byte order marks":      {hashesOf(10_000, sha), func(i int, hash string) string { return strings.Repeat("\ufeff", (i%100)/99) + crlf(i, hash) }, ""},
		"with both ends":        {append(hashesOf(5_000, sha), first, last), plainLine, "\n"},
		"one":                   {[]string{sha(1)}, plainLine, "\n"},
		"two":                   {[]string{sha(1), sha(2)}, crlf, ""},
		"a page":                {hashesOf(95, sha), plainLine, ""},
		"a page and a line":     {hashesOf(96, sha), plainLine, ""},
		"none":                  {nil, plainLine, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			list, reader := listOf(c.hashes, c.line)
			list.size -= int64(len(c.end))
			set := map[string]bool{}
			for _, hash := range c.hashes {
				set[hash] = true
			}
			searched, most := 0, int64(0)
			find := func(hash string) {
				before := reader.reads.Load()
				found, err := list.has(hash)
				if err != nil || found != set[hash] {
					t.Fatalf("%s: %v %v, want %v", hash, found, err, set[hash])
				}
				searched, most = searched+1, max(most, reader.reads.Load()-before)
			}
			for i, hash := range c.hashes {
				if len(c.hashes) < 30_000 || i%5 == 0 {
					find(hash)
				}
				if i%20 == 0 || i < 100 || i > len(c.hashes)-100 {
					for _, near := range neighbours(hash) {
						find(near)
					}
				}
			}
			for i := range 1000 {
				find(sha(-i - 1))
			}
			for _, hash := range []string{first, last, first[1:] + "1", last[1:] + "E"} {
				find(hash)
			}
			// Not more than the guesses that interpolate, and those that halve the rest.
			if limit := int64(interpolations + 2 + math.Log2(1+float64(list.size)/pageSize)); most > limit {
				t.Errorf("%d reads, want at most %d", most, limit)
			}
			t.Logf("%d searches, %.2f reads on average, at most %d", searched, float64(reader.reads.Load())/float64(searched), most)
			if err := list.sample(); err != nil && len(c.hashes) > 0 {
				t.Errorf("refused: %v", err)
			}
		})
	}
}

// TestOtherFilesAreNoBreachedList checks what is refused before anybody relies on it.
func TestOtherFilesAreNoBreachedList(t *testing.T) {
	hashes := hashesOf(100_000, sha)
	list, _ := listOf(hashes, plainLine)
	good := make([]byte, list.size)
	if _, err := list.from.ReadAt(good, 0); err != nil {
		t.Fatal(err)
	}
	lower := bytes.ReplaceAll(bytes.ToLower(good), []byte("\r"), nil)
	replaced := func(at int, by string) []byte { return slices.Concat(good[:at], []byte(by), good[at+len(by):]) }
	const line = hashDigits + 3
	for name, c := range map[string]struct {
		content []byte
		want    error
	}{
		"empty":                  {nil, errEmpty},
		"lower case":             {lower, errNotAList},
		"NTLM":                   {bytes.ReplaceAll(good, []byte(":1"), []byte("")), errNotAList},
		"hashes only":            {regularly(hashes, func(h string) string { return h + "\n" }), errNotAList},
		"32 digits":              {regularly(hashes, func(h string) string { return h[:32] + ":1\n" }), errNotAList},
		"no count":               {regularly(hashes, func(h string) string { return h + ":\n" }), errNotAList},
		"a count of words":       {regularly(hashes, func(h string) string { return h + ":many\n" }), errNotAList},
		"a line of a page":       {regularly(hashes[:200], func(h string) string { return h + ":" + strings.Repeat("1", pageSize) + "\n" }), errNotAList},
		"no lines":               {bytes.Repeat([]byte("0"), 1<<20), errNotAList},
		"zeros":                  {make([]byte, 1<<20), errNotAList},
		"a binary":               {bytes.Repeat([]byte("\x7fELF\n\x00"), 1<<16), errNotAList},
		"a short text":           {[]byte("hello\n"), errNotAList},
		"an empty line":          {append([]byte("\n"), good...), errNotAList},
		"an empty last line":     {append(slices.Clone(good), '\n'), errNotAList},
		"a line cut short":       {good[:len(good)-20], errNotAList},
		"by prevalence":          {shuffled(hashes), errUnsorted},
		"backwards":              {backwards(hashes), errUnsorted},
		"two lists":              {slices.Concat(good, good), errUnsorted},
		"something appended":     {append(slices.Clone(good), good[:line]...), errUnsorted},
		"something before":       {append(slices.Clone(good[len(good)-line:]), good...), errUnsorted},
		"another first line":     {replaced(0, hashes[len(hashes)-1]), errUnsorted},
		"another last line":      {replaced(len(good)-line, hashes[0]), errUnsorted},
		"halves the wrong way":   {slices.Concat(good[50_000*line:], good[:50_000*line]), errUnsorted},
		"good":                   {good, nil},
		"good without a newline": {good[:len(good)-1], nil},
		"a single line":          {good[:line], nil},
	} {
		if err := (breachedList{bytes.NewReader(c.content), int64(len(c.content))}).sample(); !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func regularly(hashes []string, line func(string) string) (content []byte) {
	for _, hash := range hashes {
		content = append(content, line(hash)...)
	}
	return content
}

func shuffled(hashes []string) []byte {
	hashes = slices.Clone(hashes)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(hashes), func(i, j int) { hashes[i], hashes[j] = hashes[j], hashes[i] })
	return regularly(hashes, func(h string) string { return h + ":1\n" })
}

func backwards(hashes []string) []byte {
	hashes = slices.Clone(hashes)
	slices.Reverse(hashes)
	return regularly(hashes, func(h string) string { return h + ":1\n" })
}

// TestADamagedBreachedListIsAnError checks that a search reports what the sample did not see,
// and does not answer from it.
func TestADamagedBreachedListIsAnError(t *testing.T) {
	hashes := hashesOf(100_000, sha)
	list, _ := listOf(hashes, plainLine)
	content := make([]byte, list.size)
	if _, err := list.from.ReadAt(content, 0); err != nil {
		t.Fatal(err)
	}
	const line = hashDigits + 3
	for name, damage := range map[string]func(at []byte){
		"zeros":      func(at []byte) { clear(at) },
		"lower case": func(at []byte) { copy(at, bytes.ToLower(at)) },
	} {
		damaged := slices.Clone(content)
		damage(damaged[50_000*line : 50_100*line])
		found, err := breachedList{bytes.NewReader(damaged), int64(len(damaged))}.has(hashes[50_050])
		if found || !errors.Is(err, errNotAList) {
			t.Errorf("%s: %v %v", name, found, err)
		}
	}
	if _, err := (breachedList{bytes.NewReader(content[:line*50]), list.size}).has(hashes[99_000]); !errors.Is(err, io.EOF) {
		t.Errorf("a list that has become shorter: %v", err)
	}
}

// FuzzBreachedList compares searches with a set, in lists of hashes whose first digits and
// lines are arbitrary.
func FuzzBreachedList(f *testing.F) {
	f.Add([]byte("0123456789"), uint16(500), uint8(1))
	f.Add(bytes.Repeat([]byte{0, 0xff}, 50), uint16(2000), uint8(80))
	f.Fuzz(func(t *testing.T, seeds []byte, n uint16, width uint8) {
		if len(seeds) == 0 {
			return
		}
		hashes := hashesOf(int(n)%5000, func(i int) string {
			seed := seeds[i%len(seeds)]
			return strings.Repeat(fmt.Sprintf("%02X", seed), int(seed)%18) + sha(i)[:hashDigits-2*(int(seed)%18)]
		})
		list, _ := listOf(hashes, func(i int, hash string) string { return hash + ":" + strings.Repeat("1", 1+i*int(width)%80) + "\n" })
		set := map[string]bool{}
		for _, hash := range hashes {
			set[hash] = true
		}
		for _, hash := range append(hashes, sha(-1), sha(-2)) {
			for _, near := range append(neighbours(hash), hash) {
				if found, err := list.has(near); err != nil || found != set[near] {
					t.Fatalf("%s: %v %v, want %v", near, found, err, set[near])
				}
			}
		}
	})
}
