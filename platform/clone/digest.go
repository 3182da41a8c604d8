package clone

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"
)

// digest covers every row, with the type and length of each value. The hashes of the
// rows are added up, as four numbers each, so that the order does not matter: the
// databases order tables by different keys. It detects accidental differences only.
type digest struct {
	sum  [4]uint64
	rows int64
	buf  []byte
}

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
			panic(fmt.Sprintf("clone: a value is %T", v)) // the snapshot returns no other types
		}
	}
	d.buf = b
	hash := sha256.Sum256(b)
	for i := range d.sum {
		d.sum[i] += binary.BigEndian.Uint64(hash[8*i:])
	}
}

func (d *digest) String() string {
	var b []byte
	for _, n := range d.sum {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return hex.EncodeToString(b)
}
