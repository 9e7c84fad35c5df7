package store

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/parley-chat/parley"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A checksum is the CRC-32C of a row's values: a number as eight bytes, a text
// as its length and its bytes. The buffer is kept from row to row.
type checksum struct{ buf []byte }

func (c *checksum) number(n int64) {
	c.buf = binary.BigEndian.AppendUint64(c.buf, uint64(n))
}

func (c *checksum) text(s string) {
	c.number(int64(len(s)))
	c.buf = append(c.buf, s...)
}

// sum gives the checksum and begins the next one.
func (c *checksum) sum() int64 {
	n := crc32.Checksum(c.buf, castagnoli)
	c.buf = c.buf[:0]
	return int64(n)
}

func (c *checksum) message(m *parley.Message) int64 {
	c.number(int64(m.Conversation))
	c.number(m.Seq)
	c.number(int64(m.Kind))
	c.number(int64(m.Sender))
	c.text(m.SenderName)
	c.number(m.Time.UnixMilli())
	c.text(m.Text)
	c.number(m.Ref)
	return c.sum()
}

func (c *checksum) account(a *accountRow) int64 {
	c.number(int64(a.ID))
	c.text(a.key)
	c.text(a.name)
	c.text(a.skeleton)
	c.text(a.folded)
	c.text(a.Hash)
	c.number(a.created)
	return c.sum()
}

func (c *checksum) room(r *roomRow) int64 {
	c.number(int64(r.ID))
	c.text(r.key)
	c.text(r.name)
	c.number(bit(r.Open))
	c.number(bit(r.Guest))
	c.number(int64(r.Creator))
	c.number(r.created)
	c.text(r.Topic)
	return c.sum()
}

// bit is how a yes or no is stored.
func bit(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}
