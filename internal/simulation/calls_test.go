package simulation

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/parley-chat/parley/internal/proof"
	"github.com/parley-chat/parley/wire/textwire"
)

// called returns what somebody asks: at once, later, too late, or not at all.
func (e *textEnd) called(fields []string) {
	number, values := fields[1], []string{"return", fields[1], "heard", fields[len(fields)-1]}
	if e.rng.IntN(8) == 0 {
		return
	}
	wait := time.Duration(1)
	if e.rng.IntN(3) == 0 {
		wait = upTo(e.rng, 6*time.Second)
	}
	twice := e.rng.IntN(8) == 0
	time.AfterFunc(wait, func() {
		// An error is the end of the connection, which others see.
		_, _ = e.Write(textwire.AppendFrame(nil, values...))
		if twice {
			_, _ = e.Write(textwire.AppendFrame(nil, "return", number, "heard", "twice"))
		}
	})
}

// Write keeps the frames of a client and of what it returns apart.
func (e *textEnd) Write(b []byte) (int, error) {
	e.writing.Lock()
	defer e.writing.Unlock()
	return e.Conn.Write(b)
}

// askSomebody calls another user, or itself, some times.
func (c *client) askSomebody() {
	if c.text == nil {
		return
	}
	to := c.user
	if len(c.others) > 0 && c.rng.IntN(4) > 0 {
		to = c.others[c.rng.IntN(len(c.others))]
	}
	for range 1 + c.rng.IntN(4) {
		c.askOnce(to)
	}
}

// askOnce is answered what was returned for this call, or that it was not.
func (c *client) askOnce(to string) {
	c.texts++
	token := fmt.Sprintf("%d-%d", c.n, c.texts)
	answer, err := c.text.Do("ask", to, "hear", token)
	c.world.note("%s asks %s: %q, %v", c.name, to, answer, err)
	var refusal *proof.Refusal
	switch {
	case errors.Is(err, proof.ErrOver):
	case errors.As(err, &refusal):
		if !slices.Contains([]string{"timeout", "unhandled", "user_offline", "user_not_found", "rate_limited", "unavailable"}, refusal.Type) {
			c.world.fault("%s asked %s: %v", c.name, to, err)
		}
	case !slices.Equal(answer, []string{"heard", token}):
		c.world.fault("%s asked %s %q and was answered %q", c.name, to, token, answer)
	default:
		c.world.count(func(s *stats) { s.returned++ })
	}
}
