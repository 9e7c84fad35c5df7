package client

import (
	"strings"
)

// An effect is what a command changes that the client must know: who it is, where, and
// what it offers.
type effect struct {
	before func(c *Client, cn *conn, r *request)        // when it is sent, under the client's lock
	after  func(r *request, values []string, err error) // when it was answered; the reader's call
}

var effects = map[string]effect{
	"login":    {after: becameAccount},
	"guest":    {after: becameGuest},
	"logout":   {after: becameNobody},
	"passwd":   {after: passwordChanged},
	"copies":   {after: copiesChosen},
	"join":     {before: (*Client).joining},
	"leave":    {after: left},
	"say":      {after: saidSomething},
	"post":     {before: (*Client).posting, after: posted},
	"provide":  {after: provided},
	"withdraw": {after: withdrawn},
}

func becameAccount(r *request, _ []string, err error) {
	if args := r.args(); err == nil && len(args) == 2 {
		r.client.became(identity{name: args[0], password: args[1], account: true})
	}
}

func becameGuest(r *request, _ []string, err error) {
	args := r.args()
	if err != nil || len(args) != 1 {
		return
	}
	c := r.client
	c.mu.Lock()
	who := c.state.who
	c.mu.Unlock()
	// Said again with its own name it changes nothing (1.6.3).
	if who.account || name(who.name).Key() != name(args[0]).Key() {
		c.became(identity{name: args[0]})
	}
}

func becameNobody(r *request, _ []string, err error) {
	if err == nil {
		r.client.became(identity{})
	}
}

// became notes that the session is somebody else: it is in no room and offers nothing.
func (c *Client) became(who identity) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.who, c.state.offers = who, map[string][]string{}
	c.rooms.clear()
	c.setSelf(who.name)
}

func passwordChanged(r *request, _ []string, err error) {
	if args := r.args(); err == nil && len(args) == 2 {
		r.client.mu.Lock()
		defer r.client.mu.Unlock()
		r.client.state.who.password = args[1]
	}
}

func copiesChosen(r *request, _ []string, err error) {
	if args := r.args(); err == nil && len(args) == 1 {
		r.client.mu.Lock()
		defer r.client.mu.Unlock()
		r.client.state.copies = args[0] == "on"
	}
}

func left(r *request, _ []string, err error) {
	if args := r.args(); err == nil && len(args) == 1 {
		r.client.mu.Lock()
		defer r.client.mu.Unlock()
		r.client.rooms.forget(name(args[0]).Key())
	}
}

// saidSomething takes the answer ok,<id>,<time>.
func saidSomething(r *request, values []string, err error) {
	if err == nil && len(values) > 1 && len(r.args()) > 0 {
		r.client.spoke(r.args()[0], values[1])
	}
}

// posting keeps a post for the next connection. The server knows those of accounts
// again by their client ids (1.9.4).
func (c *Client) posting(_ *conn, r *request) {
	if c.state.who.account && !c.set.once {
		c.last++
		r.again, r.number = true, c.last
		c.posts[r] = struct{}{}
	}
}

func posted(r *request, values []string, err error) {
	r.client.mu.Lock()
	delete(r.client.posts, r)
	r.client.mu.Unlock()
	if args := r.args(); len(args) > 0 && !strings.HasPrefix(args[0], "@") {
		saidSomething(r, values, err)
	}
}

func provided(r *request, _ []string, err error) {
	if args := r.args(); err == nil && len(args) > 0 {
		r.client.mu.Lock()
		defer r.client.mu.Unlock()
		r.client.state.offers[args[0]] = args
	}
}

func withdrawn(r *request, _ []string, err error) {
	if args := r.args(); err == nil && len(args) > 0 {
		r.client.mu.Lock()
		defer r.client.mu.Unlock()
		delete(r.client.state.offers, args[0])
	}
}
