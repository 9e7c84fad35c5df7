package door

import "github.com/parley-chat/parley"

// Protocol is the state of one connection's protocol. No method may wait.
type Protocol interface {
	// Feed is given what was read and not used yet, of which the last fresh
	// bytes have just been read, and tells how many it used. It keeps no part
	// of in. It returns as soon as c.Waiting; then, or when it needs more, it
	// is called again with the rest, with fresh 0 if nothing new was read. At
	// the end of the input it is called once more, with c.InputEnded.
	Feed(c *Conn, in []byte, fresh int) (used int)
	// ReadsAhead tells whether the driver should read, and feed, even while the
	// connection waits: the protocol bounds what it keeps then.
	ReadsAhead(c *Conn) bool
	// InputOver is called when nothing more is read: the peer has stopped sending,
	// or the connection is ending. It may be called twice.
	InputOver(c *Conn)
	// Deadline is called when the time of c.SetDeadline has come.
	Deadline(c *Conn)
	// Farewell says why we end the connection; what it answers still leaves.
	Farewell(c *Conn, why *parley.Error)
	// End is called once, last: nothing more is said to the peer.
	End(c *Conn)
}
