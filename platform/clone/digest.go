package clone

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"time"
)

// digest covers rows in their order, each value with its type and length, so
// that no two different tables have the same.
type digest struct {
	hash hash.Hash
	rows int64
	buf  []byte
}

func newDigest() *digest { return &digest{hash: sha256.New()} }

func (d *digest) add(row []any) {
	d.rows++
	b := d.buf[:0]
	for _, v := range row {
		switch x := v.(type) {
		case nil:
			b = append(b, 'n')
		case string:
			b = binary.BigEndian.AppendUint32(append(b, 's'), uint32(len(x))) //nolint:gosec // no text is that long
			b = append(b, x...)
		case int64:
			b = binary.BigEndian.AppendUint64(append(b, 'i'), uint64(x)) //nolint:gosec // the same bits
		case bool:
			b = append(b, 'f')
			if x {
				b[len(b)-1] = 't'
			}
		case time.Time:
			b = binary.BigEndian.AppendUint64(append(b, 'd'), uint64(x.UnixMicro())) //nolint:gosec // the same bits
		default:
			panic(fmt.Sprintf("clone: a value is %T", v)) // the snapshot gives no others
		}
	}
	_, _ = d.hash.Write(b)
	d.buf = b
}

func (d *digest) String() string { return hex.EncodeToString(d.hash.Sum(nil)) }
