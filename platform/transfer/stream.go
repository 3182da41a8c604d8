package transfer

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
)

// read parses every line of an archive and passes it to each.
func (r *reading) read(archive io.Reader, each func(entry) error) error {
	unpacked, err := gzip.NewReader(archive)
	if err != nil {
		return errNoArchive
	}
	lines := bufio.NewReaderSize(unpacked, maxLine+1)
	for {
		line, err := lines.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return fmt.Errorf("line %d: it is longer than %d bytes", r.number+1, maxLine)
		case errors.Is(err, io.EOF) && len(line) == 0 && r.done:
			return nil
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return errCutOff
		case err != nil:
			return fmt.Errorf("read after line %d: %w", r.number, err)
		}
		e, err := r.take(line[:len(line)-1])
		if err != nil {
			return err
		}
		if e.shape == nil {
			continue
		}
		if err := each(e); err != nil {
			return err
		}
	}
}

// errCutOff is returned for an archive that ends before its last line.
var errCutOff = errors.New("the archive ends in the middle: it was cut off")
