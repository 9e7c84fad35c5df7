package client

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/parley-chat/parley"
)

// A Receipt is what the server answers when something was said.
type Receipt struct {
	ID   string    // of the message; empty when it was passed on and not kept
	Time time.Time // by the server's clock, in whole milliseconds
}

// done sends a command whose answer is ok.
func (c *Client) done(ctx context.Context, command string, args ...string) error {
	_, err := c.Do(ctx, command, args...)
	return err
}

// receipt sends a command whose answer is ok, an id and a time.
func (c *Client) receipt(ctx context.Context, command string, args ...string) (Receipt, error) {
	values, err := c.Do(ctx, command, args...)
	if err != nil {
		return Receipt{}, err
	}
	if len(values) < 3 {
		return Receipt{}, unexpected(command, values)
	}
	return Receipt{ID: values[1], Time: moment(values[2])}, nil
}

// value sends a command whose answer is a word and one value.
func (c *Client) value(ctx context.Context, command string, args ...string) (string, error) {
	values, err := c.Do(ctx, command, args...)
	if err != nil {
		return "", err
	}
	if len(values) != 2 {
		return "", unexpected(command, values)
	}
	return values[1], nil
}

// unexpected tells of a server that answers otherwise than the protocol says.
func unexpected(command string, values []string) error {
	return fmt.Errorf("client: the server answered %s with %q, which is not of this protocol", command, values)
}

// Register makes an account. It does not log in.
func (c *Client) Register(ctx context.Context, user, password string) error {
	return c.done(ctx, "register", user, password)
}

// Login makes the session that of an account; it leaves its rooms and offers nothing any
// more. The client keeps the password, as with the option [Login].
func (c *Client) Login(ctx context.Context, user, password string) error {
	return c.done(ctx, "login", user, password)
}

// Guest makes the session that of a guest; it leaves its rooms and offers nothing any more.
func (c *Client) Guest(ctx context.Context, user string) error {
	return c.done(ctx, "guest", user)
}

// Logout makes the session that of nobody; it leaves its rooms and offers nothing any more.
func (c *Client) Logout(ctx context.Context) error { return c.done(ctx, "logout") }

// Passwd changes the account's password.
func (c *Client) Passwd(ctx context.Context, old, fresh string) error {
	return c.done(ctx, "passwd", old, fresh)
}

// Whoami gives the session's user, as the name was registered.
func (c *Client) Whoami(ctx context.Context) (parley.Name, error) {
	user, err := c.value(ctx, "whoami")
	return name(user), err
}

// Help gives a line for a command, or, when that is empty, for each that this session may
// use.
func (c *Client) Help(ctx context.Context, command string) ([]string, error) {
	var args []string
	if command != "" {
		args = []string{command}
	}
	values, err := c.Do(ctx, "help", args...)
	if err != nil {
		return nil, err
	}
	if len(values) == 0 {
		return nil, unexpected("help", values)
	}
	return values[1:], nil
}

// Nop does nothing, and comes back when everything asked before it has been answered.
func (c *Client) Nop(ctx context.Context) error { return c.done(ctx, "nop") }

// NewRoom makes an open room. Who makes it is not in it before joining it.
func (c *Client) NewRoom(ctx context.Context, room string) error { return c.done(ctx, "new", room) }

// Join brings the session into a room: what is said there from now on comes as events.
func (c *Client) Join(ctx context.Context, room string) error { return c.done(ctx, "join", room) }

// Follow joins a room, and has the events begin behind a message that is known by its
// id: what was said since comes first, then what is said from now on, each message once,
// in the order of the room. An empty id is the beginning of the history.
func (c *Client) Follow(ctx context.Context, room, id string) error {
	r := newRequest("join", room)
	r.follows = true
	if id != "" {
		conversation, seq, err := parley.ParseID(id)
		if err != nil {
			return err
		}
		r.after = place{conversation, seq}
	}
	_, err := c.do(ctx, r)
	return err
}

// Leave takes the user out of a room, with all its sessions, and ends the membership.
func (c *Client) Leave(ctx context.Context, room string) error { return c.done(ctx, "leave", room) }

// Topic gives the topic of a room, which may be empty.
func (c *Client) Topic(ctx context.Context, room string) (string, error) {
	return c.value(ctx, "topic", room)
}

// SetTopic sets the topic of a room; an empty one clears it.
func (c *Client) SetTopic(ctx context.Context, room, topic string) error {
	return c.done(ctx, "topic", room, topic)
}

// Say says something in a room. It is durable when Say returns, and is no event to this
// session. After a [*ConnError] it may have been said or not, and if it was, it comes as
// an event to a client that is in the room; Post has no such doubt.
func (c *Client) Say(ctx context.Context, room, text string) (Receipt, error) {
	return c.receipt(ctx, "say", room, text)
}

// Tell says something to a user in private.
func (c *Client) Tell(ctx context.Context, user, text string) (Receipt, error) {
	return c.receipt(ctx, "tell", user, text)
}

// Post says something in a room, or to "@user", under a client id, by which the server
// knows for 7 days that it was said already. An empty one stands for a random one. When
// the connection of an account is lost, the client itself says it again. After any
// other error it can be posted again under the same id, by another run of the program
// too. Guests' ids are not remembered, nor what is told to guests.
func (c *Client) Post(ctx context.Context, to, clientID, text string) (Receipt, error) {
	if clientID == "" {
		clientID = rand.Text()
	}
	return c.receipt(ctx, "post", to, clientID, text)
}

// Send gives a command to every text session of a user. They get a parley.Sent; nothing
// comes back.
func (c *Client) Send(ctx context.Context, user, command string, args ...string) error {
	return c.done(ctx, "send", append([]string{user, command}, args...)...)
}

// Ask gives a command to the newest text session of a user and waits for what that
// program answers; see [Client.Handle] for the other side. What it refuses is a
// *parley.Error with a code of its own choice.
func (c *Client) Ask(ctx context.Context, user, command string, args ...string) ([]string, error) {
	return c.Do(ctx, "ask", append([]string{user, command}, args...)...)
}

// Copies chooses how private messages come: with their ids and times, and with copies of
// what the user's other sessions tell (parley.ToldCopy), or neither.
func (c *Client) Copies(ctx context.Context, on bool) error {
	word := "off"
	if on {
		word = "on"
	}
	return c.done(ctx, "copies", word)
}
